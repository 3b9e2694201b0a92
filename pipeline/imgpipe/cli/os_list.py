"""`imgpipe os`: the operating systems that can be installed."""

from __future__ import annotations

from typing import Annotated

import typer

from imgpipe.cli import context

app = typer.Typer(help="Show the operating systems that imgpipe can install.", no_args_is_help=True)


@app.command("list")
def list_systems(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Also what libosinfo knows and imgpipe cannot install.")
    ] = False,
) -> None:
    """List the systems with the kind of their answer file, their libosinfo id and what was tested how.

    Examples:

      imgpipe os list

      imgpipe os list --all --json
    """
    from imgpipe.adapters.osinfo import known_systems
    from imgpipe.cli.output import show_json, show_table

    rows = _installable()
    if everything:
        installable = {row["libosinfo"] for row in rows}
        rows += [
            {"os": "-", "title": title, "answer file": "-", "libosinfo": name, "tested": "not installable by imgpipe"}
            for name, title in known_systems()
            if name not in installable
        ]
    if as_json:
        show_json(rows)
    else:
        show_table(rows)


def _installable() -> list[dict[str, str]]:
    """Return the systems that imgpipe installs, by family and release."""
    from imgpipe.natural_order import natural

    rows = [
        {
            "os": system.name,
            "title": system.title,
            "answer file": family.answer_kind,
            "libosinfo": system.libosinfo or "-",
            "tested": system.tested,
        }
        for family in context.plugins().families
        for system in family.systems
    ]
    return sorted(rows, key=lambda row: natural(row["os"]))
