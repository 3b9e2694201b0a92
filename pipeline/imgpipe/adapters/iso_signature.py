"""What a file that is no whole ISO 9660 medium is told to be, in words that help."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from imgpipe.errors import RecipeError

_SECTOR = 2048


def check_signature(file: BinaryIO, path: Path) -> None:
    """Tell apart, before pycdlib does it in its own words, what a wrong file may be (ECMA-119 and ECMA-167)."""
    file.seek(16 * _SECTOR)
    identifiers = {file.read(_SECTOR)[1:6] for _ in range(8)}
    file.seek(0)
    if b"CD001" in identifiers:
        return
    if identifiers & {b"BEA01", b"NSR02", b"NSR03"}:
        raise RecipeError(
            f"The medium '{path.name}' has UDF names alone, which cannot be read yet.",
            hint="Use the publisher's ordinary ISO, which carries ISO 9660 as well.",
        )
    raise RecipeError(
        f"The file '{path.name}' is not an ISO 9660 medium.",
        hint="Check that it is an installation ISO, whole and unpacked (not .xz, .zip or a disk image).",
    )


def incomplete(path: Path) -> RecipeError:
    """Return the error for a file that ends before its medium does."""
    return RecipeError(
        f"The medium '{path.name}' is incomplete: the file ends before the medium does.",
        hint="Its download or copy broke off; get it again and compare its checksum.",
    )
