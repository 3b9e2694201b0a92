"""Looking at files inside a guest; every path and pattern is resolved inside it."""

from __future__ import annotations

import base64
import fnmatch
import posixpath
import re
import stat
from typing import Any

from imgpipe.guest_worker.text import WorkerError, as_bytes

# A hostile disk may hold anything; nothing read from it is larger than this. The protocol of libguestfs itself
# limits one message to 4 MiB.
MOST_BYTES = 2**20
MOST_MATCHES = 20_000
# Of a file that is searched, piece by piece; logs of installers are smaller.
_MOST_SEARCHED = 64 * 2**20


class Files:
    """The files of a mounted guest; with `ignore_case`, names of any case are found, as Windows finds them."""

    def __init__(self, g: Any, *, ignore_case: bool = False) -> None:  # noqa: ANN401 (libguestfs has no types)
        self.g = g
        self.ignore_case = ignore_case

    def spelled(self, path: str) -> str:
        """Return the path as the image spells it, as far as it is there."""
        if not self.ignore_case or path == "/":
            return path
        try:
            return str(self.g.case_sensitive_path(path))
        except RuntimeError:
            parent, name = posixpath.split(path)
            return posixpath.join(self.spelled(parent), name)

    def glob(self, pattern: str) -> list[str]:
        """Return what matches inside the image, sorted."""
        if self.ignore_case:
            found = self._glob_any_case(pattern)
        else:
            found = self.g.glob_expand_opts(pattern, directoryslash=False)
        if len(found) > MOST_MATCHES:
            raise WorkerError(f"More than {MOST_MATCHES} paths in the image match '{pattern}'.")
        return sorted(map(str, found))

    def _glob_any_case(self, pattern: str) -> list[str]:
        found = [""]
        for part in pattern.strip("/").split("/"):
            matches = re.compile(fnmatch.translate(part), re.IGNORECASE).match
            found = [f"{folder}/{name}" for folder in found for name in self._names(folder or "/") if matches(name)]
            if len(found) > MOST_MATCHES:
                break
        return found

    def _names(self, folder: str) -> list[str]:
        return list(map(str, self.g.ls(folder))) if self.g.is_dir(folder, followsymlinks=False) else []

    def exists(self, path: str) -> bool:
        """Say whether something has this very name."""
        return self.mode(path) is not None

    def remains(self, patterns: list[str], keep: list[str], files_only: bool) -> dict[str, int]:
        """Return what matches and is not kept, with its mode; a folder that holds what is kept is kept too."""
        kept = {path for pattern in keep for path in self.glob(pattern)}
        return {
            path: mode
            for path, mode in self.modes(patterns).items()
            if path not in kept
            and not any(other.startswith(path + "/") for other in kept)
            and posixpath.basename(path) != "lost+found"
            and not (files_only and stat.S_ISDIR(mode))
        }

    def read(self, path: str, limit: int) -> str | None:
        """Return the start of a regular file in base64; None where there is none."""
        mode = self.mode(path)
        if mode is None or not stat.S_ISREG(mode):
            return None
        return base64.b64encode(as_bytes(self.g.pread(self.spelled(path), min(limit, MOST_BYTES), 0))).decode()

    def ending(self, path: str, limit: int) -> bytes:
        """Return the last bytes of a regular file, from an even offset, so that UTF-16 stays whole."""
        start = max(0, int(self.g.filesize(path)) - limit)
        return as_bytes(self.g.pread(path, limit, start + start % 2))

    def search(self, patterns: list[str], needles: list[str]) -> list[str]:
        """Return the regular files that match the patterns and contain one of the texts."""
        wanted = [needle.encode(coding) for needle in needles for coding in ("utf-8", "utf-16-le")]
        return [path for path in self.regular(patterns) if self._contains(path, wanted)]

    def _contains(self, path: str, wanted: list[bytes]) -> bool:
        """Say whether a file has one of the texts; also one that lies across two pieces that are read."""
        overlap = max(map(len, wanted), default=1) - 1
        before, offset = b"", 0
        while offset < _MOST_SEARCHED:
            piece = as_bytes(self.g.pread(path, MOST_BYTES, offset))
            if any(needle in before + piece for needle in wanted):
                return True
            if len(piece) < MOST_BYTES:
                return False
            before, offset = piece[len(piece) - overlap :], offset + len(piece)
        return False

    def regular(self, patterns: list[str]) -> list[str]:
        """Return the regular files that match; links, devices and pipes are none."""
        return [path for path, mode in self.modes(patterns).items() if stat.S_ISREG(mode)]

    def modes(self, patterns: list[str]) -> dict[str, int]:
        """Return the mode of everything that matches; links are not followed."""
        found: dict[str, list[str]] = {}
        for pattern in patterns:
            for path in self.glob(pattern):
                found.setdefault(posixpath.dirname(path), []).append(posixpath.basename(path))
        modes = {}
        for parent, names in found.items():
            unique = sorted(set(names))
            for name, status in zip(unique, self.g.lstatnslist(parent, unique)):  # noqa: B905 (Python 3.9 lacks it)
                if status["st_ino"] != -1:
                    modes[posixpath.join(parent, name)] = status["st_mode"]
        return modes

    def mode(self, path: str) -> int | None:
        """Return the mode of what has this name; None where there is nothing."""
        parent, name = posixpath.split(self.spelled(path))
        if not self.g.is_dir(parent, followsymlinks=True):
            return None
        status = self.g.lstatnslist(parent, [name])[0]
        return None if status["st_ino"] == -1 else int(status["st_mode"])

    def size(self, path: str) -> int | None:
        """Return the size of a regular file, None for what is not one."""
        mode = self.mode(path)
        return int(self.g.filesize(self.spelled(path))) if mode is not None and stat.S_ISREG(mode) else None

    def content(self, path: str) -> bytes:
        """Return a whole file; raises WorkerError if it is large."""
        if self.g.filesize(path) > MOST_BYTES:
            raise WorkerError(f"'{path}' in the image is larger than {MOST_BYTES} bytes.")
        return as_bytes(self.g.read_file(path))
