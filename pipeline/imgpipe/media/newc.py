"""The cpio format of an initramfs ("newc"), read and written in memory.

Needs neither root nor the program `cpio`: owners are always root and dates always the epoch, so the same
entries give the same bytes. Format: Documentation/driver-api/early-userspace/buffer-format.rst of Linux.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_MAGIC = b"070701"
_HEADER_LENGTH = 110
TRAILER = "TRAILER!!!"
"""The name that ends an archive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file, folder or symbolic link; `data` is the text of a file or the target of a link."""

    name: str
    mode: int
    data: bytes = b""


def read(archive: bytes) -> Iterator[Entry]:
    """Yield the entries of the first archive in `archive`, which is not compressed."""
    at = 0
    while True:
        if archive[at : at + 6] not in (_MAGIC, b"070702"):
            raise ValueError(f"no newc header at byte {at}")
        fields = [int(archive[at + start : at + start + 8], 16) for start in range(6, _HEADER_LENGTH, 8)]
        mode, size, name_size = fields[1], fields[6], fields[11]
        name = archive[at + _HEADER_LENGTH : at + _HEADER_LENGTH + name_size - 1].decode()
        data_at = _aligned(at + _HEADER_LENGTH + name_size)
        if name == TRAILER:
            return
        yield Entry(name=name.removeprefix("./"), mode=mode, data=archive[data_at : data_at + size])
        at = _aligned(data_at + size)


def write(entries: Iterable[Entry]) -> bytes:
    """Return an archive of `entries`, in their order; folders must come before what is in them."""
    parts: list[bytes] = []
    for number, entry in enumerate(entries, start=1):
        parts.append(_record(entry, number))
    parts.append(_record(Entry(name=TRAILER, mode=0), 0))
    return b"".join(parts)


def scan(folder: Path) -> Iterator[Entry]:
    """Yield everything below `folder`, sorted, parents first."""
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        name = path.relative_to(folder).as_posix()
        if stat.S_ISLNK(mode):
            yield Entry(name=name, mode=stat.S_IFLNK | 0o777, data=os.fsencode(path.readlink()))
        elif stat.S_ISDIR(mode):
            yield Entry(name=name, mode=mode)
        elif stat.S_ISREG(mode):
            yield Entry(name=name, mode=mode, data=path.read_bytes())


def _record(entry: Entry, inode: int) -> bytes:
    name = entry.name.encode() + b"\0"
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    fields = (inode, entry.mode, 0, 0, links, 0, len(entry.data), 0, 0, 0, 0, len(name), 0)
    header = _MAGIC + b"".join(b"%08X" % field for field in fields) + name
    return _padded(header) + _padded(entry.data)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (_aligned(len(data)) - len(data))


def _aligned(position: int) -> int:
    return (position + 3) & ~3
