"""Marks an NTFS volume as Windows does that was not shut down.

Format: ntfs-3g's layout.h (boot sector, MFT record, $VOLUME_INFORMATION).
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

_VOLUME_RECORD = 3
_VOLUME_INFORMATION = 0x70
_DIRTY = 0x0001


def mark_dirty(device: Path) -> None:
    """Set the volume's dirty flag, in the MFT and in its mirror; the volume must not be mounted."""
    with device.open("r+b") as volume:
        boot = volume.read(512)
        sector, per_cluster = struct.unpack_from("<HB", boot, 11)
        tables = struct.unpack_from("<QQ", boot, 48)
        size = struct.unpack_from("<b", boot, 64)[0]
        cluster = sector * per_cluster
        # A negative size is a power of two, a positive one counts clusters.
        record = 1 << -size if size < 0 else size * cluster
        for table in tables:
            _mark(volume, table * cluster + _VOLUME_RECORD * record, record)


def flags_offset(record: bytes) -> int:
    """Return where in the MFT record of `$Volume` its flags are; raises ValueError if there are none."""
    offset = struct.unpack_from("<H", record, 20)[0]
    while offset + 24 <= len(record):
        kind, length = struct.unpack_from("<II", record, offset)
        if kind == _VOLUME_INFORMATION:
            # Behind eight reserved bytes and the version's two.
            return int(offset + struct.unpack_from("<H", record, offset + 20)[0] + 10)
        if length == 0 or kind > _VOLUME_INFORMATION:
            break
        offset += length
    raise ValueError("no $VOLUME_INFORMATION in the record")


def _mark(volume: BinaryIO, place: int, size: int) -> None:
    volume.seek(place)
    record = volume.read(size)
    offset = flags_offset(record)
    flags = struct.unpack_from("<H", record, offset)[0] | _DIRTY
    volume.seek(place + offset)
    volume.write(struct.pack("<H", flags))
    volume.flush()
