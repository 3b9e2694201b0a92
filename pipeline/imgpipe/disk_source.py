"""What may be imported: the header of a foreign disk image is read before QEMU sees it.

A qcow2 image names other files in its header: a backing file and a data file. A hostile one names /etc/shadow, or
something only QEMU can open ('json:...', 'nbd://...'), and a copy would then hold what was read there. Format: QEMU's
docs/interop/qcow2.rst.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from imgpipe.errors import RecipeError

Format = Literal["qcow2", "raw"]

_QCOW2 = b"QFI\xfb"
_OTHERS = {
    b"KDMV": "vmdk", b"COWD": "vmdk", b"# Disk De": "vmdk", b"vhdxfile": "vhdx", b"conectix": "vhd",
    b"<<< ": "vdi", b"LUKS\xba\xbe": "luks", b"QED\0": "qed", b"ustar": "tar", b"PK\x03\x04": "zip",
}  # fmt: skip
_PROTOCOL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_EXTERNAL_DATA = 1 << 2
_BACKING_FORMAT = 0xE2792ACA
_LONGEST_CHAIN = 32
_LONGEST_HEADER = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class _Header:
    """The names in a qcow2 header; empty where there is none."""

    backing: str
    backing_format: str
    external_data: bool


def check_source(path: Path, *, trusted: tuple[Path, ...] = ()) -> Format:
    """Return the format of the disk at `path`, if it and all its backing files may be read.

    Backing files must be plain files in the folder of the disk or below a trusted one, and their format must be said.
    Raises RecipeError with the reason.
    """
    form = _format(path)
    allowed = tuple(folder.resolve() for folder in (path.parent, *trusted))
    overlay, kind = path, form
    for _ in range(_LONGEST_CHAIN):
        if kind == "raw":
            return form
        header = _header(overlay)
        if header.external_data:
            raise _refused(overlay, "keeps its data in another file")
        if not header.backing:
            return form
        overlay, kind = _backing(overlay, header, allowed)
    raise _refused(path, f"has more than {_LONGEST_CHAIN} backing files")


def _backing(overlay: Path, header: _Header, allowed: tuple[Path, ...]) -> tuple[Path, Format]:
    if _PROTOCOL.match(header.backing):
        raise _refused(overlay, "names a backing file that is not a plain path")
    if header.backing_format not in ("qcow2", "raw"):
        raise _refused(overlay, "does not say the format of its backing file, or a strange one")
    backing = (overlay.parent / header.backing).resolve()
    if not any(backing.is_relative_to(folder) for folder in allowed):
        raise _refused(overlay, f"names a backing file elsewhere, '{backing}'")
    found = _format(backing)
    if found != header.backing_format:
        raise _refused(overlay, f"says that '{backing}' is {header.backing_format}, but it is {found}")
    return backing, found


def _format(path: Path) -> Format:
    try:
        if not path.is_file():
            raise RecipeError(f"There is no disk image '{path}'.", hint="Only files can be imported.")
        with path.open("rb") as file:
            start = file.read(_LONGEST_HEADER)
    except OSError as error:
        raise RecipeError(f"The disk '{path}' cannot be read: {error.strerror}.") from error
    if start.startswith(_QCOW2):
        return "qcow2"
    for magic, name in _OTHERS.items():
        if start.startswith(magic):
            raise RecipeError(
                f"The disk '{path}' is of the format '{name}'; only qcow2 and raw can be imported.",
                hint="Convert it first, if you trust it: 'qemu-img convert -O qcow2'.",
            )
    if start[510:512] != b"\x55\xaa":
        raise RecipeError(f"The file '{path}' is no disk: it has neither a qcow2 header nor a partition table.")
    return "raw"


def _header(path: Path) -> _Header:
    with path.open("rb") as file:
        start = file.read(_LONGEST_HEADER)
    try:
        version, offset, length = struct.unpack_from(">IQI", start, 4)
        features, header_length = 0, 72
        if version >= 3:
            (features,) = struct.unpack_from(">Q", start, 72)
            (header_length,) = struct.unpack_from(">I", start, 100)
        name = start[offset : offset + length]
        if version not in (2, 3) or len(name) != length:
            raise _refused(path, "has a header that cannot be read")
        forms = [data for kind, data in _extensions(start, header_length) if kind == _BACKING_FORMAT]
    except struct.error:
        raise _refused(path, "has a header that cannot be read") from None
    return _Header(
        backing=os.fsdecode(name) if offset else "",
        backing_format=forms[0].decode(errors="replace") if forms else "",
        external_data=bool(features & _EXTERNAL_DATA),
    )


def _extensions(start: bytes, offset: int) -> Iterator[tuple[int, bytes]]:
    """Yield the header's extensions: a type, a length, and data padded to eight bytes; type 0 ends them."""
    while True:
        kind, length = struct.unpack_from(">II", start, offset)
        if kind == 0:
            return
        yield kind, start[offset + 8 : offset + 8 + length]
        offset += 8 + (length + 7) // 8 * 8


def _refused(path: Path, reason: str) -> RecipeError:
    return RecipeError(
        f"The disk '{path}' {reason}.",
        hint="Flatten it first, if you trust it: 'qemu-img convert -O qcow2'; the copy can be imported.",
    )
