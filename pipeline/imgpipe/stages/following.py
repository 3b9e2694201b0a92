"""Files that grow while they are read: a machine's console, its log, its report."""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path

from imgpipe.own_files import open_own, write_new

_MOST_AT_ONCE = 2**20
_MOST_BEHIND = 8 * 2**20


class FollowedFile:
    """Reads what was added to a file since the last time.

    A file that grows long is renamed and a new one is started (adapters/records): the old one is read to its end
    first. Of a flood of text only the newest is read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: io.FileIO | None = None
        self.total = 0

    def prepare(self) -> None:
        """Make the file, empty and ours."""
        self.close()
        self._path.unlink(missing_ok=True)
        write_new(self._path, b"", 0o600)

    def read(self) -> bytes:
        """Return what is new, at most 1 MiB; nothing where the file is missing or may not be read.

        Raises OSError where something is there that is no plain file.
        """
        file = self._file = self._file or self._opened()
        if file is None:
            return b""
        size = os.fstat(file.fileno()).st_size
        if size < file.tell():
            file.seek(0)
        if size - file.tell() > _MOST_BEHIND:
            file.seek(size - _MOST_AT_ONCE)
        data = file.read(_MOST_AT_ONCE) or b""
        self.total += len(data)
        if not data and self._was_replaced(file):
            self.close()
        return data

    def close(self) -> None:
        """Close the file; reading opens it again from its start."""
        if self._file:
            self._file.close()
        self._file = None

    def _opened(self) -> io.FileIO | None:
        with contextlib.suppress(FileNotFoundError, PermissionError), open_own(self._path) as opened:
            return io.FileIO(os.dup(opened.fileno()), "rb")
        return None

    def _was_replaced(self, file: io.FileIO) -> bool:
        try:
            return not os.path.samestat(self._path.stat(), os.fstat(file.fileno()))
        except FileNotFoundError:
            return False
