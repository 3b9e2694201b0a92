"""Whether Windows closed an NTFS volume as it should: its own flags, read from the device (ntfs-3g, layout.h).

A mount for writing sets the flags, and ntfs-3g may only say in a warning that it did not dare to write.
"""

from __future__ import annotations

import struct
from typing import Any

from imgpipe.guest_worker.text import WorkerError, as_bytes

SECTOR = 512
VOLUME_RECORD = 3
VOLUME_INFORMATION = 0x70
END = 0xFFFFFFFF
DIRTY = 0x0001
MOST_RECORD = 65536
BOOT_BYTES = 512


def is_dirty(g: Any, device: str) -> bool:  # noqa: ANN401 (libguestfs has no types)
    """Say whether the volume on an unmounted device is marked for chkdsk; raises WorkerError if it cannot be read."""
    offset, size = record_place(as_bytes(g.pread_device(device, BOOT_BYTES, 0)))
    return bool(flags(as_bytes(g.pread_device(device, size, offset))) & DIRTY)


def record_place(boot: bytes) -> tuple[int, int]:
    """Return where the record of the volume is, and how many bytes it has, from the boot sector."""
    try:
        sector, per_cluster = struct.unpack_from("<HB", boot, 0x0B)
        (table,) = struct.unpack_from("<Q", boot, 0x30)
        (per_record,) = struct.unpack_from("<b", boot, 0x40)
    except struct.error:
        raise WorkerError("The boot sector of the NTFS volume is cut off.") from None
    # Large clusters are written as a power of two, negated, and so are records smaller than a cluster.
    cluster = sector * (per_cluster if per_cluster <= 128 else 1 << (256 - per_cluster))
    size = 1 << -per_record if per_record < 0 else per_record * cluster
    if boot[3:7] != b"NTFS" or not SECTOR <= size <= MOST_RECORD or not cluster:
        raise WorkerError("The boot sector of the NTFS volume makes no sense.")
    return table * cluster + VOLUME_RECORD * size, size


def flags(record: bytes) -> int:
    """Return the flags of the volume from its record in the master file table."""
    try:
        return _flags(_restored(record))
    except struct.error:
        raise WorkerError("The volume's record in the NTFS master file table is damaged.") from None


def _restored(record: bytes) -> bytearray:
    """Return the record with the last two bytes of each sector put back (the update sequence)."""
    if record[:4] != b"FILE":
        raise WorkerError("The volume has no record in the NTFS master file table.")
    restored = bytearray(record)
    where, count = struct.unpack_from("<HH", record, 4)
    for number in range(1, count):
        end = number * SECTOR
        if end > len(record):
            break
        restored[end - 2 : end] = struct.pack("<H", struct.unpack_from("<H", record, where + 2 * number)[0])
    return restored


def _flags(record: bytearray) -> int:
    (at,) = struct.unpack_from("<H", record, 0x14)
    while True:
        kind, length = struct.unpack_from("<II", record, at)
        if kind == VOLUME_INFORMATION:
            (content,) = struct.unpack_from("<H", record, at + 0x14)
            return int(struct.unpack_from("<H", record, at + content + 10)[0])
        if kind == END or length < 16:
            raise WorkerError("The volume's record in the NTFS master file table has no flags.")
        at += length
