"""ISO 9660 media made byte by byte (ECMA-119), so that each table can lie as no program would let it."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path

SECTOR = 2048
ROOT, FILES = 24, 40
"""The sectors of the root folder and of the first file."""

_BOOT_CATALOG = 32


def both(number: int, size: int = 4) -> bytes:
    """A number in both byte orders (7.2.3, 7.3.3)."""
    form = "IH"[size == 2]
    return struct.pack(f"<{form}", number) + struct.pack(f">{form}", number)


def record(
    name: bytes, extent: int, length: int, *, folder: bool = False, system_use: bytes = b"", size: int | None = None
) -> bytes:
    """A directory record (9.1); `size` is what it says of its own length where that is a lie."""
    head = b"\0\0" + both(extent) + both(length) + bytes([125, 1, 1, 0, 0, 0, 0])
    head += bytes([2 if folder else 0, 0, 0]) + both(1, 2) + bytes([len(name)]) + name
    head += b"\0" * (len(head) % 2) + system_use
    head += b"\0" * (len(head) % 2)
    return bytes([len(head) if size is None else size]) + head[1:]


@dataclass
class Medium:
    """A medium: what is in its root folder, what its path tables have, and where its tables lie.

    `folders` are the sectors of those below the root.
    """

    records: list[bytes] = field(default_factory=list)
    root_length: int = SECTOR
    root_extent: int = ROOT
    path_table: bytes | None = None
    path_table_length: int | None = None
    folders: tuple[int, ...] = ()
    sectors: dict[int, bytes] = field(default_factory=dict)
    boot_record: bytes = b""
    size: int = 64

    def write(self, path: Path) -> Path:
        root = record(b"\0", self.root_extent, self.root_length, folder=True)
        table = self.path_table or self._path_table("<")
        mirrored = self.path_table or self._path_table(">")
        length = len(table) if self.path_table_length is None else self.path_table_length
        image = bytearray(self.size * SECTOR)

        def put(sector: int, data: bytes) -> None:
            image[sector * SECTOR : sector * SECTOR + len(data)] = data

        put(16, self._primary(root, length))
        next_one = 17
        if self.boot_record:
            put(17, self.boot_record)
            next_one = 18
        put(next_one, b"\xffCD001\x01")
        put(4, table)
        put(10, mirrored)
        dots = record(b"\0", ROOT, SECTOR, folder=True) + record(b"\1", ROOT, SECTOR, folder=True)
        put(ROOT, dots + b"".join(self.records))
        for sector, data in self.sectors.items():
            put(sector, data)
        path.write_bytes(image)
        return path

    def _path_table(self, order: str) -> bytes:
        """The path table (6.9): the root folder, and the `folders` as if they were in it."""
        places = ((b"\0", self.root_extent), *((b"X", extent) for extent in self.folders))
        return b"".join(struct.pack(f"{order}BBIH", 1, 0, extent, 1) + name + b"\0" for name, extent in places)

    def _primary(self, root: bytes, table_length: int) -> bytes:
        """The primary volume descriptor (8.4)."""
        head = b"\x01CD001\x01\0" + b" " * 32 + b"HOSTILE".ljust(32) + b"\0" * 8 + both(self.size) + b"\0" * 32
        head += both(1, 2) + both(1, 2) + both(SECTOR, 2) + both(table_length)
        head += struct.pack("<II", 4, 0) + struct.pack(">II", 10, 0) + root
        head += b" " * (128 * 4 + 37 * 3) + (b"0" * 16 + b"\0") * 4 + b"\x01\0"
        return head.ljust(SECTOR, b"\0")


def folder(*records: bytes, own: int, parent: int = ROOT, length: int = SECTOR) -> bytes:
    """The content of a folder."""
    dots = record(b"\0", own, length, folder=True) + record(b"\1", parent, SECTOR, folder=True)
    return dots + b"".join(records)


def el_torito(catalog: int = _BOOT_CATALOG) -> bytes:
    """A boot record that names a boot catalog (El Torito 1.0, 2.0)."""
    return b"\0CD001\x01" + b"EL TORITO SPECIFICATION".ljust(32, b"\0") + b"\0" * 32 + struct.pack("<I", catalog)


def boot_catalog(*entries: bytes) -> bytes:
    """A boot catalog: the validation entry, then 32 bytes each (El Torito 1.0, 2.1)."""
    head = bytearray(struct.pack("<BBH24sHBB", 1, 0, 0, b"", 0, 0x55, 0xAA))
    words = struct.unpack("<16H", head)
    struct.pack_into("<H", head, 28, -sum(words) & 0xFFFF)
    return bytes(head) + b"".join(entry.ljust(32, b"\0") for entry in entries)


# Rock Ridge (SUSP 1.12): SP and ER say that it is there, CE goes on elsewhere, NM has the name.
SP = b"SP\x07\x01\xbe\xef\0"


def ce(sector: int, offset: int = 0, length: int = SECTOR) -> bytes:
    return b"CE\x1c\x01" + both(sector) + both(offset) + both(length)


def nm(name: bytes, *, goes_on: bool = False) -> bytes:
    return b"NM" + bytes([5 + len(name), 1, goes_on]) + name
