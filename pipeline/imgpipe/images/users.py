"""Who still needs an image: overlays whose chain of backing files leads to it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from imgpipe.adapters import qemu_img
from imgpipe.deploy.existing import ExistingMachine
from imgpipe.errors import HostError

InUseBy = Callable[[Path], tuple[str, ...]]
"""Given an image's disk, names whoever needs it: paths of overlays, names of machines."""


def overlays_in(folders: Iterable[Path]) -> InUseBy:
    """Look once through folders, and all folders in them, for overlays; answer which of them need a disk.

    Symbolic links are not followed and files that are no qcow2 are passed over.
    """
    backing: dict[Path, Path] = {}
    for path in _files(folders):
        try:
            below = qemu_img.backing_of(path)
        except (OSError, HostError):
            continue
        if below is not None:
            backing[path.resolve()] = below.resolve()

    def in_use_by(disk: Path) -> tuple[str, ...]:
        wanted = disk.resolve()
        return tuple(sorted(str(path) for path in backing if wanted in _chain(path, backing)))

    return in_use_by


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
        # The catalog's `images/NAME/VERSION/golden.qcow2`.
        by_metadata = needed.get(f"{disk.parent.parent.name}@{disk.parent.name}", set())
        return tuple(sorted(by_metadata | {owners.get(path, path) for path in overlays(disk)}))

    return in_use_by


def any_of(*ways: InUseBy) -> InUseBy:
    """Ask several, and join their answers."""
    return lambda disk: tuple(dict.fromkeys(name for way in ways for name in way(disk)))


def _chain(path: Path, backing: dict[Path, Path]) -> set[Path]:
    """Return all that `path` is built on; a chain that bites its own tail ends there."""
    chain: set[Path] = set()
    while (below := backing.get(path)) is not None and below not in chain:
        chain.add(below)
        path = below
    return chain


def _files(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        for parent, _, names in os.walk(folder):
            for name in names:
                path = Path(parent, name)
                if path.is_file() and not path.is_symlink():
                    yield path
