"""Digests of files that are too large to be read at once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

_PIECE = 16 * 2**20


def sha256_of(path: Path, moved: Callable[[float], None] | None = None) -> str:
    """Return the sha256 of a file in hex; `moved` is told how many percent were read."""
    digest = hashlib.sha256()
    size = path.stat().st_size
    done = 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
            done += len(piece)
            if moved and size:
                moved(100 * done / size)
    return digest.hexdigest()
