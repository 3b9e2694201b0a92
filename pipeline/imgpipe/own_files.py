"""Files of imgpipe's own, in the data root: each is a plain file of bounded size, and no link leads to it.

What is there may be damaged, or planted by whoever could write there once: a FIFO would be waited for without end, a
link would show or change somebody else's file. So they are neither opened for reading nor for writing; whoever asks
gets an OSError with the file's name. What only saves time (a cache) is asked for again then.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from io import BufferedReader, BufferedWriter
from pathlib import Path

from imgpipe.errors import HostError
from imgpipe.trust import changed_by_others, trusted_owners, user_name

LONGEST_RECORD = 8 * 2**20
"""How many bytes a record of imgpipe's may have."""

_CAREFUL = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def open_own(path: Path) -> BufferedReader:
    """Open a file for reading; raises OSError, also for what is no plain file."""
    _require_plain(path)
    return os.fdopen(_plain(os.open(path, os.O_RDONLY | _CAREFUL), path), "rb")


def read_own(path: Path, limit: int = LONGEST_RECORD) -> bytes:
    """Return what a file holds; raises OSError for one of more than `limit` bytes too."""
    with open_own(path) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise OSError(errno.EFBIG, "It is larger than any that imgpipe writes", os.fspath(path))
    return data


def is_own(path: Path) -> bool:
    """Say whether a plain file is there; raises OSError for anything else that is."""
    try:
        _require_plain(path)
    except FileNotFoundError:
        return False
    return True


def write_new(path: Path, data: str | bytes, mode: int = 0o666) -> None:
    """Write a file that must not be there yet, not even as a link; the umask is taken off `mode`."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _CAREFUL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data.encode() if isinstance(data, str) else data)


def open_for_writing(path: Path, *, append: bool = False, mode: int = 0o666) -> BufferedWriter:
    """Open a file to be written anew, or added to; raises OSError for what is there and is no plain file."""
    is_own(path)
    how = os.O_APPEND if append else 0
    descriptor = _plain(os.open(path, os.O_WRONLY | os.O_CREAT | how | _CAREFUL, mode), path)
    if not append:
        os.ftruncate(descriptor, 0)
    return os.fdopen(descriptor, "ab" if append else "wb")


def own_folder(top: Path, name: str, mode: int, *, least: bool = False) -> Path:
    """Return the folder `name` in `top`, both made if need be, with this mode; with `least` more is left.

    `top` may be a link that the owner of the data root made, to another disk; `name` may not. Raises HostError where
    somebody else can change it, or something else is there.
    """
    try:
        top.mkdir(parents=True, exist_ok=True)
        how = changed_by_others(top, group=True) or _prepared(top, name, mode, least=least)
    except OSError as error:
        how = error.strerror or type(error).__name__
    if how:
        raise HostError(
            f"The folder '{top / name}' cannot be used: {how}.", hint="Find out what is there, and move it away."
        )
    return top / name


def _prepared(top: Path, name: str, mode: int, *, least: bool) -> str:
    """Make a folder with this mode, and say what is wrong with the one that is there instead."""
    parent = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(FileExistsError):
            os.mkdir(name, mode, dir_fd=parent)
        if not stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
            return "it is no folder of its own"
        folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    finally:
        os.close(parent)
    try:
        status = os.fstat(folder)
        if status.st_uid not in trusted_owners():
            return f"it belongs to {user_name(status.st_uid)}"
        found = stat.S_IMODE(status.st_mode)
        wanted = found | mode if least else mode
        if found != wanted:
            os.fchmod(folder, wanted)
    finally:
        os.close(folder)
    return ""


def _require_plain(path: Path) -> None:
    if not stat.S_ISREG(path.lstat().st_mode):
        raise _odd(path)


def _plain(descriptor: int, path: Path) -> int:
    """Return the descriptor of a plain file; it may have been another file when its name was looked at."""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _odd(path)
    return descriptor


def _odd(path: Path) -> OSError:
    return OSError(errno.EINVAL, "It is no plain file", os.fspath(path))
