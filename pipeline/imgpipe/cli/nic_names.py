"""`imgpipe host nic-names`: eth0 and eth1 instead of the names that udev gives."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from imgpipe.cli import context, output
from imgpipe.errors import RecipeError

if TYPE_CHECKING:
    from imgpipe.host.nic_names.planning import NamesPlan

app = typer.Typer(help="Give the host's NICs classic names (eth0, eth1) from the next boot on.", no_args_is_help=True)

_ROOT = Path("/")
Pins = Annotated[
    list[str] | None,
    typer.Option("--pin", metavar="NAME=MAC", help="Pin a name to a MAC address, instead of kernel arguments."),
]
Udev = Annotated[bool, typer.Option("--udev", help="Pin by udev rules instead of systemd's .link files.")]


@app.command("plan", epilog="Example: imgpipe host nic-names plan --pin eth0=52:54:00:12:34:56")
def plan_names(
    pin: Pins = None, udev: Udev = False, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """Show what would be written and run; nothing is touched."""
    plan = _plan(pin, udev)
    if as_json:
        output.show_json(_for_programs(plan))
    else:
        output.show_lines(_lines(plan))


@app.command("apply", epilog="Example: imgpipe host nic-names apply")
def apply_names(
    pin: Pins = None,
    udev: Udev = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before it is changed.")] = False,
) -> None:
    """Write it, with what was before saved; it counts from the next boot on, which is yours to make."""
    from imgpipe.adapters import process
    from imgpipe.cli.host_network import only_root
    from imgpipe.host.nic_names import changing

    only_root()
    plan = _plan(pin, udev)
    if not plan.changes:
        output.tell("Nothing is to be changed.")
        return
    for line in _lines(plan):
        output.tell(line)
    output.confirm("Change how this host names its NICs?", yes=yes)
    folder = changing.apply(plan, _ROOT, _kept(), process.run)
    output.tell(f"Done, from the next boot on. What was before is in '{folder}'; '... nic-names rollback' undoes it.")


@app.command("rollback", epilog="Example: imgpipe host nic-names rollback")
def roll_back_names() -> None:
    """Undo the newest change."""
    from imgpipe.adapters import process
    from imgpipe.cli.host_network import only_root
    from imgpipe.host.nic_names import changing

    only_root()
    for path in changing.roll_back(_ROOT, _kept(), process.run):
        output.tell(f"'{path}' is as it was")


def _plan(pin: list[str] | None, udev: bool) -> NamesPlan:
    from imgpipe.host.nic_names import planning

    if not pin:
        if udev:
            raise RecipeError("'--udev' needs '--pin'.")
        return planning.by_kernel_arguments(_ROOT)
    pins = {name: mac.lower() for name, _, mac in (word.partition("=") for word in pin)}
    if len(pins) < len(pin):
        raise RecipeError("A name is pinned twice.")
    return planning.by_mac(_ROOT, pins, "udev" if udev else "link")


def _kept() -> Path:
    return context.store().root / "nic-names"


def _lines(plan: NamesPlan) -> Iterator[str]:
    if not plan.changes:
        yield "Nothing is to be changed."
    for change in plan.files:
        before, after = (change.before or "").splitlines(), change.after.splitlines()
        name = str(change.path)
        yield from difflib.unified_diff(before, after, name, name, lineterm="", n=1)
    for command in plan.commands:
        yield f"run: {' '.join(command)}"
    for warning in plan.warnings:
        yield f"warning: {warning}"


def _for_programs(plan: NamesPlan) -> dict[str, Any]:
    return {
        "changes": plan.changes,
        "files": [{"path": str(item.path), "before": item.before, "after": item.after} for item in plan.files],
        "commands": [list(command) for command in plan.commands],
        "saved": [str(path) for path in plan.saved],
        "warnings": list(plan.warnings),
    }
