"""A stand-in for libguestfs' API whose guest is a folder; the few calls that edits and files make."""

from __future__ import annotations

import glob
import os
import shutil
from pathlib import Path
from typing import Any


class FakeGuestFS:
    """Files below `root`; labels are kept in a dictionary."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.labels: dict[str, str] = {}

    def _at(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def glob_expand_opts(self, pattern: str, directoryslash: bool) -> list[str]:
        assert directoryslash is False
        # By the rules of glob(7), unlike Path.glob: no '*' stands for a first dot.
        return [f"/{found}" for found in glob.glob(pattern.lstrip("/"), root_dir=self.root)]  # noqa: PTH207

    def lstatnslist(self, folder: str, names: list[str]) -> list[dict[str, int]]:
        return [self._status(self._at(folder) / name) for name in names]

    def _status(self, path: Path) -> dict[str, int]:
        if not path.is_symlink() and not path.exists():
            return {"st_ino": -1, "st_mode": 0}
        status = path.lstat()
        return {"st_ino": status.st_ino, "st_mode": status.st_mode}

    def is_dir(self, path: str, followsymlinks: bool) -> bool:
        assert followsymlinks
        return self._at(path).is_dir()

    def exists(self, path: str) -> bool:
        return self._at(path).exists()

    def realpath(self, path: str) -> str:
        # A link that starts with a slash does so in the guest.
        if self._at(path).is_symlink() and (target := self._at(path).readlink()).is_absolute():
            return self.realpath(target.as_posix())
        if not self._at(path).exists():
            raise RuntimeError("realpath: No such file or directory")
        return "/" + os.path.relpath(self._at(path).resolve(), self.root.resolve())

    def filesize(self, path: str) -> int:
        return self._at(path).stat().st_size

    def read_file(self, path: str) -> bytes:
        return self._at(path).read_bytes()

    def pread(self, path: str, count: int, offset: int) -> bytes:
        return self._at(path).read_bytes()[offset : offset + count]

    def write(self, path: str, content: bytes) -> None:
        self._at(path).write_bytes(content)

    def chmod(self, mode: int, path: str) -> None:
        self._at(path).chmod(mode)

    def mkdir_p(self, path: str) -> None:
        self._at(path).mkdir(parents=True, exist_ok=True)

    def rm_f(self, path: str) -> None:
        self._at(path).unlink(missing_ok=True)

    def rm_rf(self, path: str) -> None:
        shutil.rmtree(self._at(path))

    def rename(self, path: str, new: str) -> None:
        self._at(path).rename(self._at(new))

    def truncate(self, path: str) -> None:
        os.truncate(self._at(path), 0)

    def ln_s(self, target: str, path: str) -> None:
        self._at(path).symlink_to(target)

    def readlink(self, path: str) -> str:
        return self._at(path).readlink().as_posix()

    def feature_available(self, _groups: list[str]) -> bool:
        return False

    def lgetxattr(self, path: str, name: str) -> bytes:
        assert name == "security.selinux"
        if path not in self.labels:
            raise RuntimeError("lgetxattr: No data available")
        return self.labels[path].encode() + b"\0"

    def lsetxattr(self, name: str, value: str, length: int, path: str) -> None:
        assert (name, length) == ("security.selinux", len(value))
        self.labels[path] = value

    def __getattr__(self, name: str) -> Any:
        if name == "setfiles":
            raise AttributeError(name)
        raise AssertionError(f"an unexpected call of libguestfs: {name}")
