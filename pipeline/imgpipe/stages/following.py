"""Files that grow while they are read: a machine's console, its log, its report."""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path

_MOST_AT_ONCE = 2**20
_MOST_BEHIND = 8 * 2**20


class FollowedFile:
    """Reads what was added to a file since the last time.

    libvirt's log daemon renames a file that grows past 2 MiB and starts a new one (virtlogd.conf(5)): the old one is
    read to its end first. Of a flood of text only the newest is read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: io.FileIO | None = None
        self.total = 0

    def prepare(self) -> None:
        """Make the file, empty and ours, so that we may read it whatever user writes it."""
        self.close()
        self._path.unlink(missing_ok=True)
        self._path.touch(mode=0o600)

    def read(self) -> bytes:
        """Return what is new, at most 1 MiB; nothing where the file is missing or may not be read."""
        if self._file is None and not self._open():
            return b""
        assert self._file is not None  # noqa: S101 (for the type checker)
        size = os.fstat(self._file.fileno()).st_size
        if size < self._file.tell():
            self._file.seek(0)
        if size - self._file.tell() > _MOST_BEHIND:
            self._file.seek(size - _MOST_AT_ONCE)
        data = self._file.read(_MOST_AT_ONCE) or b""
        self.total += len(data)
        if not data and self._was_replaced():
            self.close()
        return data

    def close(self) -> None:
        """Close the file; reading opens it again from its start."""
        if self._file:
            self._file.close()
        self._file = None

    def _open(self) -> bool:
        with contextlib.suppress(FileNotFoundError, PermissionError):
            self._file = self._path.open("rb", buffering=0)
        return self._file is not None

    def _was_replaced(self) -> bool:
        assert self._file is not None  # noqa: S101 (for the type checker)
        try:
            return not os.path.samestat(self._path.stat(), os.fstat(self._file.fileno()))
        except FileNotFoundError:
            return False
