"""Uses of disk files: which machine or volume has a file as its disk, or below its disk as a backing file."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from imgpipe.adapters.image_headers import backing_of, data_file_of

_Key = tuple[int, int] | str


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskUse:
    """A disk that somebody has, with the files below it as far as they were told.

    `owner` is a machine's name or a volume's path. `chain` is the disk and then its backing files, the nearest first;
    `ended` says that there is nothing below the last, `raw` that its owner takes that for a raw disk, whatever others
    take it for. `volume` says that the first is a volume, which is no use of itself: only what is below it is needed.
    """

    owner: str
    chain: tuple[str, ...]
    ended: bool = False
    raw: bool = False
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
        self._read: set[str] = set()
        # What machines say of their own disks: what is below, that nothing is, or neither.
        self._claimed: set[_Key] = set()
        self._ended: set[_Key] = set()
        self._open: set[_Key] = set()
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
        # A machine's word holds for itself alone: another may have the same file as an overlay of something else.
        certain = use.volume or not self._local
        for over, below in pairwise(keys):
            self._above.setdefault(below, set()).add(over)
            if over != below:
                (self._known if certain else self._claimed).add(over)
        if use.ended and certain and not use.raw:
            self._known.add(keys[-1])
        elif not use.volume:
            (self._ended if use.ended else self._open).add(keys[-1])

    def _follow(self, path: str) -> bool:
        """Read what is below a file from its header and from those below; say whether that could be known."""
        first = self._key(path)
        if first in self._ended and first not in self._open:
            return True
        self._add_data_file(path)
        # By path and not by file: a name in a header is looked up beside the link that leads to it.
        while path not in self._read and self._key(path) not in self._known:
            if not self._local:
                return False
            try:
                below = backing_of(Path(path))
            except FileNotFoundError:
                # What is not there is an overlay of nothing.
                below = None
            except OSError:
                return self._key(path) in self._claimed
            self._read.add(path)
            if below is None:
                return True
            self._above.setdefault(self._key(str(below)), set()).add(self._key(path))
            path = str(below)
        return True

    def _add_data_file(self, path: str) -> None:
        """Take the file that holds an image's data for one below it; libvirt's definitions name it nowhere."""
        with suppress(OSError):
            if self._local and (data := data_file_of(Path(path))) is not None:
                self._above.setdefault(self._key(str(data)), set()).add(self._key(path))

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
