"""Digests of files that are too large to be read at once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from imgpipe.own_files import open_own

_PIECE = 16 * 2**20


def sha256_of(path: Path, moved: Callable[[float], None] | None = None) -> str:
    """Return the sha256 of a plain file in hex, OSError for any other; `moved` is told how many percent were read."""
    digest = hashlib.sha256()
    done = 0
    with open_own(path) as file:
        size = os.fstat(file.fileno()).st_size
        while piece := file.read(_PIECE):
            digest.update(piece)
            done += len(piece)
            if moved and size:
                moved(100 * done / size)
    return digest.hexdigest()
