"""Copies of files that are never larger than the source: shared with it where the file system can, else sparse."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from imgpipe.errors import HostError

# ioctl(2) FICLONE of linux/fs.h: _IOW(0x94, 9, int).
_FICLONE = 0x40049409
_NO_REFLINK = {errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS, errno.ETXTBSY}
_CHUNK = 8 * 2**20

Moved = Callable[[float], None]


def copy_sparse(source: Path, target: Path, moved: Moved = lambda _: None, *, head: bytes = b"") -> None:
    """Copy a file to `target`, which must not exist (0600): a reflink where that can be, else what is no hole.

    The copy begins with `head`, whatever the source has there by now. `moved` is told percents. Raises HostError; then
    no target is left.
    """
    try:
        with source.open("rb") as old, new_file(target) as new:
            try:
                copy_open(old.fileno(), new, moved)
                os.pwrite(new, head, 0)
            except BaseException:
                target.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise HostError(f"'{source}' cannot be copied to '{target}': {error.strerror}.") from error


def copy_open(old: int, new: int, moved: Moved = lambda _: None) -> None:
    """Copy what one descriptor reads to another one's empty file, as `copy_sparse` does. Raises OSError."""
    if not _shared(old, new):
        _copy(old, new, moved)


@contextmanager
def new_file(path: Path) -> Iterator[int]:
    """Open a file for the block that must not have been there before, for its owner only; yield its descriptor."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def extents(descriptor: int) -> Iterator[tuple[int, int]]:
    """Yield start and end of each stretch of a file that is data; what lies between is holes (lseek(2))."""
    end = 0
    while True:
        try:
            start = os.lseek(descriptor, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            raise
        end = os.lseek(descriptor, start, os.SEEK_HOLE)
        yield start, end


def _shared(old: int, new: int) -> bool:
    try:
        fcntl.ioctl(new, _FICLONE, old)
    except OSError as error:
        if error.errno in _NO_REFLINK:
            return False
        raise
    return True


def _copy(old: int, new: int, moved: Moved) -> None:
    size = os.fstat(old).st_size
    os.ftruncate(new, size)
    for start, end in extents(old):
        place = start
        while place < end:
            place += _move(old, new, place, min(_CHUNK, end - place))
            moved(100.0 * place / size)


def _move(old: int, new: int, place: int, count: int) -> int:
    try:
        done = os.copy_file_range(old, new, count, place, place)
    except OSError as error:
        if error.errno not in _NO_REFLINK:
            raise
        done = os.pwrite(new, os.pread(old, count, place), place)
    if not done:
        raise OSError(errno.EIO, "the source became shorter")
    return done
