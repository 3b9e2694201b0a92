"""`imgpipe lint`: everything that is wrong in an answer file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imgpipe.cli import context
from imgpipe.cli.completion import offered

if TYPE_CHECKING:
    from imgpipe.os_family import Fault


def _complete_system(incomplete: str) -> list[str]:
    names = (system.name for family in context.plugins().families for system in family.systems)
    return offered(names, incomplete)


def lint(
    file: Annotated[Path, typer.Argument(help="A kickstart, preseed, autoinstall user-data or autounattend.xml.")],
    system: Annotated[
        str, typer.Option("--os", help="The system that it is for, such as rocky10.", autocompletion=_complete_system)
    ],
    firmware: Annotated[str, typer.Option(help="bios or uefi; some layouts fail on one of them.")] = "bios",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Report every fault of an answer file with its line; the exit code is 2 if one is an error.

    Examples:

      imgpipe lint ks-rocky10.cfg --os rocky10

      imgpipe lint preseed.cfg --os debian13 --firmware uefi

      imgpipe lint autounattend.xml --os win2016
    """
    import dataclasses

    from imgpipe.cli.output import show_json, show_lines
    from imgpipe.errors import RecipeError

    found = _faults(file, system, firmware)
    if as_json:
        show_json([dataclasses.asdict(fault) for fault in found])
    else:
        lines = [f"{file}:{fault.line}: {fault.severity}: {fault.text}" for fault in found]
        show_lines(lines or ["No faults."])
    if any(fault.severity == "error" for fault in found):
        raise typer.Exit(RecipeError.exit_code)


def _hint(file: Path) -> str:
    """Return what to do about a file that cannot be read: the name that is nearest, or its permissions."""
    import difflib
    from contextlib import suppress

    if file.exists():
        return "Name a file that you may read; an answer file is plain text."
    names: list[str] = []
    with suppress(OSError):
        names = [path.name for path in file.parent.iterdir() if path.is_file()]
    near = difflib.get_close_matches(file.name, names, n=1)
    return f"Did you mean '{file.with_name(near[0])}'?" if near else "Name a file that is there."


def _faults(file: Path, system: str, firmware: str) -> tuple[Fault, ...]:
    from imgpipe.answer_text import answer_text
    from imgpipe.errors import RecipeError
    from imgpipe.named_files import read_bytes
    from imgpipe.os_family import Fault

    if firmware not in ("bios", "uefi"):
        raise RecipeError(f"There is no firmware '{firmware}'.", hint="It is 'bios' or 'uefi'.")
    family, known = context.plugins().system(system)
    try:
        text = answer_text(read_bytes(file))
    except OSError as error:
        why = error.strerror or "it is no file that can be read"
        raise RecipeError(f"The answer file '{file}' cannot be read: {why}.", hint=_hint(file)) from error
    return (text,) if isinstance(text, Fault) else tuple(family.lint(text, known, firmware))
