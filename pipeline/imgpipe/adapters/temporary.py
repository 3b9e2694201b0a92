"""Folders in the host's folder for temporary files: each is locked for as long as its owner lives.

A killed process leaves its folder, and the kernel drops the lock with the process (flock(2)); so what is not locked is
nobody's.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PREFIX = "imgpipe-"
_NAME = re.compile(r"imgpipe-(?:[a-z]+-)?[a-z0-9_]{8}")
"""As tempfile.mkdtemp(3) names our folders; a person's own 'imgpipe-notes' is 0755 and is not ours besides."""
_MARK = ".imgpipe-lock"
_UNMARKED_S = 24 * 3600


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield a folder that only its owner may enter; it is gone after the block."""
    with _locked() as folder:
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked() -> Iterator[Path]:
    """Yield a new folder that is locked; one that was taken for a dead process's before it was is made again."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        with (folder / _MARK).open("x") as mark:
            fcntl.flock(mark, fcntl.LOCK_EX)
            if os.fstat(mark.fileno()).st_nlink:
                yield folder
                return


def abandoned() -> tuple[Path, ...]:
    """Return the folders that killed processes of this user left; nothing is touched."""
    place = Path(tempfile.gettempdir())
    try:
        names = sorted(entry.name for entry in os.scandir(place) if _NAME.fullmatch(entry.name))
    except OSError:
        return ()
    found = []
    for name in names:
        with _nobodys(place / name) as free:
            if free:
                found.append(place / name)
    return tuple(found)


def remove_abandoned(folder: Path) -> bool:
    """Remove a folder that `abandoned` found; False where somebody has it after all."""
    with _nobodys(folder) as free:
        if free:
            shutil.rmtree(folder, ignore_errors=True)
    return free


@contextmanager
def _nobodys(folder: Path) -> Iterator[bool]:
    """Say whether a folder is ours and its maker is dead; if so, nobody else removes it during the block."""
    try:
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) != 0o700:
            yield False
            return
        mark = os.open(folder / _MARK, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        # Made by an older release, or a moment ago and not locked yet.
        yield folder.exists() and time.time() - folder.lstat().st_mtime > _UNMARKED_S
        return
    except OSError:
        yield False
        return
    try:
        fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(mark)
