"""Uses of disk files: which machine or volume has a file as its disk, or below its disk as a backing file."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
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
        self._keys: dict[str, _Key] = {}
        self._paths: dict[_Key, str] = {}
        self._told = told.unknown
        for use in told.uses:
            self._add(use)
        # Only then: a volume tells what is below a machine's disk that this process cannot read.
        self._hidden = {
            f"what is below the disk '{use.chain[-1]}' of '{use.owner}' cannot be seen": self._key(use.chain[-1])
            for use in told.uses
            if not self._follow(use.chain[-1])
        }

    @property
    def unknown(self) -> tuple[str, ...]:
        """Return a sentence for each thing that is not known of disks."""
        return self.unseen(())

    def unseen(self, going: Iterable[Path]) -> tuple[str, ...]:
        """Return what is not known of disks that stay when the files `going` are deleted."""
        gone = {self._key(str(path)) for path in going}
        hidden = (text for text, key in self._hidden.items() if key not in gone)
        return tuple(dict.fromkeys((*self._told, *hidden)))

    def users(self, disk: Path) -> tuple[str, ...]:
        """Return the machines that have `disk` in a chain, and the volumes above it that are no machine's."""
        wanted = self._key(str(disk))
        above = self._all_above(wanted)
        names = {owner for key in (wanted, *above) for owner in self._owners.get(key, ())}
        names |= {self._volumes[key] for key in above if key in self._volumes and not self._owners.get(key)}
        return tuple(sorted(names))

    def needed_by(self, disk: Path, going: Iterable[Path], leaving: Collection[str]) -> tuple[str, ...]:
        """Return who needs `disk` though the files `going` are deleted, and the machines `leaving` removed.

        A file above it that stays counts, also one that only a snapshot of a machine `leaving` names: it has what was
        written last.
        """
        wanted = self._key(str(disk))
        gone = {self._key(str(path)) for path in going}
        above = self._all_above(wanted)
        names = {owner for key in (wanted, *above) for owner in self._owners.get(key, ()) if owner not in leaving}
        names |= {
            self._paths[key]
            for key in above - gone - {wanted}
            if not self._owners.get(key, set()) - set(leaving) and self._may_be_there(key)
        }
        return tuple(sorted(names))

    def _all_above(self, wanted: _Key) -> set[_Key]:
        above: set[_Key] = set()
        new = {wanted}
        while new:
            new = {over for key in new for over in self._above.get(key, ())} - above
            above |= new
        return above

    def _may_be_there(self, key: _Key) -> bool:
        """Say whether a file is there, as far as that can be seen: what a snapshot names may be gone long since."""
        try:
            os.stat(self._paths[key])  # noqa: PTH116 (a path as libvirt wrote it)
        except FileNotFoundError:
            return not self._local
        except OSError:
            return True
        return True

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
        """Return what is the same for all paths of a file: its inode where it is here, else the path.

        What a path was first, it stays: files are deleted while this is asked, and their inodes are taken by others.
        """
        if path not in self._keys:
            self._keys[path] = self._found(path)
            self._paths.setdefault(self._keys[path], path)
        return self._keys[path]

    def _found(self, path: str) -> _Key:
        try:
            found = os.stat(path) if self._local else None  # noqa: PTH116 (a path as libvirt wrote it)
        except OSError:
            found = None
        if found is None:
            return os.path.realpath(path) if self._local else os.path.normpath(path)
        return found.st_dev, found.st_ino
