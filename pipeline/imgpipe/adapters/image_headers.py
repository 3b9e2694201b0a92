"""Which other files a disk image needs, read from its header: a folder may hold thousands, too many for programs.

Formats: QEMU's docs/interop/qcow2.rst (qcow is alike up to here) and docs/interop/qed_spec.rst. Whatever is below an
image of ours can only be named by one of these.
"""

from __future__ import annotations

import errno
import os
import re
import struct
from pathlib import Path
from typing import BinaryIO

from imgpipe.disk_source import DATA_FILE, extensions
from imgpipe.json_text import parse_json
from imgpipe.named_files import open_regular

_QCOW, _QED = b"QFI\xfb", b"QED\0"
_LONGEST_NAME = 1023
# The incompatible feature 'compression type' (bit 3), and where the header then says which.
_COMPRESSION_TYPE, _ZSTD_AT, _ZSTD = 1 << 3, 104, 1
# As much as a first cluster may have of header extensions.
_START = 2**16
# The farthest place of a file that can be asked for; nothing is there.
_FARTHEST = 2**62
# 'nbd://host/disk' and the like; a path with a colon is written './a:b' or has a slash before it.
_PROTOCOL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


def backing_of(path: Path) -> Path | None:
    """Return the file that the image at `path` is an overlay of; None if it is of none, or of no local file.

    Raises OSError if the file cannot be read.
    """
    # A definition may name a FIFO as a disk: nobody is waited for who writes to it.
    with open_regular(path, or_block_device=True) as file:
        head = file.read(64)
        if head.startswith(_QCOW) and len(head) >= 20:
            offset, length = struct.unpack_from(">QI", head, 8)
        elif head.startswith(_QED) and len(head) == 64:
            offset, length = struct.unpack_from("<II", head, 56)
        else:
            return None
        return _named(path, file, offset, length)


def data_file_of(path: Path) -> Path | None:
    """Return the file that a qcow2 image at `path` keeps its data in; None if it keeps them itself.

    Raises OSError if the file cannot be read.
    """
    with open_regular(path, or_block_device=True) as file:
        start = file.read(_START)
    if not start.startswith(_QCOW) or len(start) < 104 or struct.unpack_from(">I", start, 4) < (3,):
        return None
    (backing_at,), (cluster_bits,), (begin,) = (
        struct.unpack_from(form, start, at) for form, at in ((">Q", 8), (">I", 20), (">I", 100))
    )
    try:
        found = dict(extensions(start, begin, backing_at or 1 << min(cluster_bits, 21)))
    except struct.error:
        raise _damaged(path) from None
    return _found(path, found[DATA_FILE]) if DATA_FILE in found else None


def is_zstd(path: Path) -> bool:
    """Say whether a qcow2 image is one whose clusters may be compressed with zstd, which not every QEMU reads.

    Raises OSError if the file cannot be read.
    """
    with open_regular(path) as file:
        start = file.read(_ZSTD_AT + 1)
    if not start.startswith(_QCOW) or len(start) <= _ZSTD_AT or struct.unpack_from(">I", start, 4) < (3,):
        return False
    (features,) = struct.unpack_from(">Q", start, 72)
    return bool(features & _COMPRESSION_TYPE) and start[_ZSTD_AT] == _ZSTD


def _named(path: Path, file: BinaryIO, offset: int, length: int) -> Path | None:
    if not offset or not 0 < length <= _LONGEST_NAME:
        return None
    return _found(path, os.pread(file.fileno(), length, min(offset, _FARTHEST)))


def _found(path: Path, name: bytes) -> Path | None:
    if b"\0" in name:
        # QEMU's name ends there; what a damaged header means is not known.
        raise _damaged(path)
    local = _local_name(os.fsdecode(name))
    return path.parent / local if local else None


def _damaged(path: Path) -> OSError:
    return OSError(errno.EINVAL, "Its header is damaged", os.fspath(path))


def _local_name(name: str) -> str:
    """Return the path in a name as QEMU takes it: a path, 'file:PATH' or 'json:{...}'; '' for what is on no disk."""
    if name.startswith("json:"):
        try:
            node: object = parse_json(name.removeprefix("json:"))
        except ValueError:
            return ""
        while isinstance(node, dict):
            node = node.get("filename") or node.get("file.filename") or node.get("file")
        return node if isinstance(node, str) else ""
    if name.startswith("file:"):
        return name.removeprefix("file:")
    return "" if _PROTOCOL.match(name) else name
