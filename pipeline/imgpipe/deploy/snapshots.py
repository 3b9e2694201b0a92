"""External snapshots of machines: what they made, and what leads out of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePath
from shlex import quote

from imgpipe.deploy.existing import ExistingMachine
from imgpipe.natural_order import natural


def commit_command(name: str, own: Path) -> str:
    """Return the command that merges a machine's overlays into its `own` disk; DISK is left to be filled in.

    Without '--base' virsh merges down to the bottom of the chain: into the golden image, and so into all its clones.
    """
    return f"virsh blockcommit {quote(name)} DISK --base {quote(str(own))} --active --pivot"


def overlays(machine: ExistingMachine, remembered: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the files above a machine's own disk and beside it, in the order in which people count.

    They are the disk that it has now, where a snapshot made that, and what its snapshots `remembered`.
    """
    own, folder = machine.record.disk if machine.record else "", PurePath(machine.disk).parent
    paths = {PurePath(path) for path in (machine.disk, *remembered) if path}
    return tuple(sorted({path.name for path in paths if path.parent == folder} - {own}, key=natural))
