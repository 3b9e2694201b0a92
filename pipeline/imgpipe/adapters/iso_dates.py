"""Every date in a small ISO set to the same moment, so that the same files give the same bytes.

pycdlib stamps the time of day on what it writes, some of it only while it writes. Formats: ECMA-119 (8.4.26 dates of
volumes, 9.1.5 dates of records), SUSP (system use fields, CE) and RRIP 4.1.6 (TF).
"""

from __future__ import annotations

import mmap
import struct

Image = bytearray | mmap.mmap

_SECTOR = 2048
_VOLUME_DATE = b"2000010100000000\0"
_RECORD_DATE = bytes((100, 1, 1, 0, 0, 0, 0))
_VOLUME_DATES = (813, 830, 864)
_LONG_FORM = 0x80


def set_dates(image: Image) -> None:
    """Set the dates of volumes, folders and files to the start of the year 2000, in UTC, in place."""
    sector = 16
    while (kind := image[sector * _SECTOR]) != 255:
        if kind in {1, 2}:
            start = sector * _SECTOR
            for offset in _VOLUME_DATES:
                image[start + offset : start + offset + 17] = _VOLUME_DATE
            _set_record(image, start + 156)
            _set_folder(image, *_extent(image, start + 156))
        sector += 1


def _set_folder(image: Image, start: int, length: int) -> None:
    offset = start
    while offset < start + length:
        size = image[offset]
        if size == 0:  # records do not cross sectors: the rest of this one is empty
            offset = (offset // _SECTOR + 1) * _SECTOR
            continue
        _set_record(image, offset)
        is_self_or_parent = image[offset + 32] == 1 and image[offset + 33] in {0, 1}
        if image[offset + 25] & 2 and not is_self_or_parent:
            _set_folder(image, *_extent(image, offset))
        offset += size


def _set_record(image: Image, offset: int) -> None:
    image[offset + 18 : offset + 25] = _RECORD_DATE
    name_length = image[offset + 32]
    fields = offset + 33 + name_length + (name_length + 1) % 2
    _set_fields(image, fields, offset + image[offset])


def _set_fields(image: Image, offset: int, end: int) -> None:
    """Set the dates of Rock Ridge's TF fields between two offsets, and in the area that a CE field points to."""
    while offset + 4 <= end and (size := image[offset + 2]) >= 4:
        signature = image[offset : offset + 2]
        if signature == b"CE":
            block, start, length = struct.unpack_from("<I4xI4xI", image, offset + 4)
            area = block * _SECTOR + start
            _set_fields(image, area, area + length)
        elif signature == b"TF":
            date = _VOLUME_DATE if image[offset + 4] & _LONG_FORM else _RECORD_DATE
            image[offset + 5 : offset + size] = date * ((size - 5) // len(date))
        offset += size


def _extent(image: Image, record: int) -> tuple[int, int]:
    """Return where a folder's records start and how many bytes they take."""
    block, length = struct.unpack_from("<I4xI", image, record + 2)
    return block * _SECTOR, length
