"""Uses of disk files: which machine or volume has a file as its disk, or below its disk as a backing file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from imgpipe.adapters import qemu_img

_Key = tuple[int, int] | str


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskUse:
    """A disk that somebody has, with the files below it as far as they were told.

    `owner` is a machine's name or a volume's path. `chain` is the disk and then its backing files, the nearest first;
    `ended` says that there is nothing below the last. `volume` says that the first is a volume, which is no use of
    itself: only what is below it is needed.
    """

    owner: str
    chain: tuple[str, ...]
    ended: bool = False
    volume: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskUses:
    """What one libvirt daemon told of disks; `unknown` has a sentence for each thing that it could not tell.

    `local` says that its files are this host's, so that what it did not tell is read from them.
    """

    uri: str
    local: bool
    uses: tuple[DiskUse, ...] = ()
    unknown: tuple[str, ...] = ()


class UseGraph:
    """All uses together, which may be asked who needs a file, whatever path or link it is reached by."""

    def __init__(self, told: DiskUses) -> None:
        self._local = told.local
        self._above: dict[_Key, set[_Key]] = {}
        self._owners: dict[_Key, set[str]] = {}
        self._volumes: dict[_Key, str] = {}
        self._known: set[_Key] = set()
        for use in told.uses:
            self._add(use)
        # Only then: a volume tells what is below a machine's disk that this process cannot read.
        hidden = (
            f"what is below the disk '{use.chain[-1]}' of '{use.owner}' cannot be seen"
            for use in told.uses
            if not self._follow(use.chain[-1])
        )
        self.unknown = tuple(dict.fromkeys((*told.unknown, *hidden)))

    def users(self, disk: Path) -> tuple[str, ...]:
        """Return the machines that have `disk` in a chain, and the volumes above it that are no machine's."""
        wanted = self._key(str(disk))
        above: set[_Key] = set()
        new = {wanted}
        while new:
            new = {over for key in new for over in self._above.get(key, ())} - above
            above |= new
        names = {owner for key in (wanted, *above) for owner in self._owners.get(key, ())}
        names |= {self._volumes[key] for key in above if key in self._volumes and not self._owners.get(key)}
        return tuple(sorted(names))

    def _add(self, use: DiskUse) -> None:
        keys = [self._key(path) for path in use.chain]
        if use.volume:
            self._volumes[keys[0]] = use.owner
        else:
            self._owners.setdefault(keys[0], set()).add(use.owner)
        for over, below in pairwise(keys):
            self._link(over, below)
        if use.ended:
            self._known.add(keys[-1])

    def _follow(self, path: str) -> bool:
        """Read what is below a file from its header and from those below; say whether that could be known."""
        seen: set[_Key] = set()
        while (key := self._key(path)) not in seen and key not in self._known:
            seen.add(key)
            if not self._local:
                return False
            try:
                below = qemu_img.backing_of(Path(path))
            except FileNotFoundError:
                # What is not there is an overlay of nothing.
                below = None
            except OSError:
                return False
            self._known.add(key)
            if below is None:
                return True
            self._link(key, self._key(str(below)))
            path = str(below)
        return True

    def _link(self, over: _Key, below: _Key) -> None:
        self._above.setdefault(below, set()).add(over)
        if over != below:
            self._known.add(over)

    def _key(self, path: str) -> _Key:
        """Return what is the same for all paths of a file: its inode where it is here, else the path."""
        try:
            found = os.stat(path) if self._local else None  # noqa: PTH116 (a path as libvirt wrote it)
        except OSError:
            found = None
        if found is None:
            return os.path.realpath(path) if self._local else os.path.normpath(path)
        return found.st_dev, found.st_ino
