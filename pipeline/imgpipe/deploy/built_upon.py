"""Disks that others are built on: as soon as their machine runs, it writes, and what is above is damaged for good."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from shlex import quote

from imgpipe.adapters.machines import Machines
from imgpipe.deploy.existing import ExistingMachine
from imgpipe.errors import RecipeError
from imgpipe.images.disk_uses import DiskUse, DiskUses, UseGraph


def require_nothing_above(starting: Sequence[ExistingMachine], machines: Machines) -> None:
    """Raise RecipeError where a machine would start whose disk is below another machine's; no file is changed.

    For machines whose disks lie on this host. One that runs already is passed over. A machine that has the same disk
    as its own counts for nothing: QEMU's locks keep the two apart.
    """
    off = [machine for machine in starting if machine.disk and not machine.active]
    if not off:
        return
    named = machines.named_files()
    disks = [(one.name, path) for one in named for path in sorted(one.overlays) if path.startswith("/")]
    uses = tuple(DiskUse(owner=name, chain=(path,)) for name, path in disks)
    graph = UseGraph(DiskUses(uri="", local=True, uses=uses))
    for machine in off:
        same = {name for name, path in disks if path == machine.disk}
        above = [name for name in graph.users(Path(machine.disk)) if name not in {*same, machine.name}]
        if above:
            raise RecipeError(
                f"The machine '{machine.name}' is not started: its disk is below that of '{above[0]}', which would be "
                "damaged for good.",
                hint=f"Make that independent first, 'imgpipe machines flatten {quote(above[0])}' where imgpipe "
                f"made it, or leave '{machine.name}' off.",
                details=above[1:20],
            )
