"""Who still needs an image: overlays whose chain of backing files leads to it."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from imgpipe.deploy.existing import ExistingMachine
from imgpipe.errors import HostError
from imgpipe.images.disk_uses import DiskUse, DiskUses, UseGraph
from imgpipe.images.walking import entries, walk

InUseBy = Callable[[Path], tuple[str, ...]]
"""Given an image's disk, names whoever needs it: paths of overlays, names of machines."""


def overlays_in(folders: Iterable[Path]) -> InUseBy:
    """Look once through folders, and all folders in them, for overlays; answer which of them need a disk.

    Symbolic links are not followed and files that are no qcow2 are passed over. Raises HostError for a folder or a
    file that cannot be read: what is not known is not free.
    """
    uses = [DiskUse(owner=str(path), chain=(str(path),), volume=True) for path in _files(folders)]
    return known_users(DiskUses(uri="", local=True, uses=tuple(uses)))


def known_users(told: DiskUses) -> InUseBy:
    """Answer by what libvirt, or a look at folders, told of disks; raises HostError where that is not all."""
    graph = UseGraph(told)
    if graph.unknown:
        raise HostError(
            "It is not known which machines need which image.",
            hint="Mend what is named here (start the pool, or let this user read the disk), or take it upon yourself "
            "with '--without-libvirt'.",
            details=graph.unknown[:20],
        )
    return graph.users


def machines_and(overlays: InUseBy, machines: Iterable[ExistingMachine]) -> InUseBy:
    """Answer which machines need an image, by their metadata and by their disks; overlays of no machine by path.

    A machine that was only begun needs it too: its disk is about to be made.
    """
    needed: dict[str, set[str]] = {}
    owners: dict[str, str] = {}
    for machine in machines:
        owners[machine.disk] = machine.name
        if machine.record and (machine.record.linked or not machine.record.complete):
            needed.setdefault(machine.record.template, set()).add(machine.name)

    def in_use_by(disk: Path) -> tuple[str, ...]:
        # The catalog's `images/NAME/VERSION/golden.qcow2`; a template may be named by that path, too.
        by_metadata = needed.get(f"{disk.parent.parent.name}@{disk.parent.name}", set()) | {
            name for template, names in needed.items() if _is_same(template, disk) for name in names
        }
        return tuple(sorted(by_metadata | {owners.get(path, path) for path in overlays(disk)}))

    return in_use_by


def any_of(*ways: InUseBy) -> InUseBy:
    """Ask several, and join their answers."""
    return lambda disk: tuple(dict.fromkeys(name for way in ways for name in way(disk)))


def _is_same(template: str, disk: Path) -> bool:
    try:
        return template.startswith("/") and Path(template).samefile(disk)
    except OSError:
        return False


def _files(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        # What is named here may be a link to another disk; what is in it may not.
        for entry in entries(folder):
            yield from (path for path, status in walk(entry) if stat.S_ISREG(status.st_mode))
