"""Files that a person names: only regular ones are opened, so that none is waited for, and texts are bounded.

A FIFO would be waited for without end, a device may act when it is opened. Links are followed: who names one means
what it leads to.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

LONGEST_TEXT = 2**20


def open_regular(path: Path, *, or_block_device: bool = False) -> BinaryIO:
    """Open a file for reading; raises OSError, also for what is no regular file, nor a block device where it may be."""
    _require_regular(path.stat().st_mode, path, or_block_device)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        # It may be another one by now.
        _require_regular(os.fstat(descriptor).st_mode, path, or_block_device)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_bytes(path: Path, limit: int = LONGEST_TEXT) -> bytes:
    """Return what a small file holds; raises OSError for a larger one too."""
    with open_regular(path) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise OSError(errno.EFBIG, f"It is larger than {limit // 1024} KiB", os.fspath(path))
    return data


def read_text(path: Path, limit: int = LONGEST_TEXT) -> str:
    """Return the text of a small file with UNIX line ends; raises OSError and UnicodeDecodeError."""
    return read_bytes(path, limit).decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")


def _require_regular(mode: int, path: Path, or_block_device: bool) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    if not stat.S_ISREG(mode) and not (or_block_device and stat.S_ISBLK(mode)):
        raise OSError(errno.EINVAL, "It is no regular file", os.fspath(path))
