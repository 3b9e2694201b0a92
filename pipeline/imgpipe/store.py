"""Where everything is kept, and the rule that a finished name exists only when the thing is finished."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from imgpipe.errors import HostError

PARTIAL = ".partial-"
"""How the name of an unfinished folder starts."""


@dataclass(frozen=True, slots=True)
class Store:
    """The data root: `cache/` media by sha256, `work/` one folder an install, `images/` what is published."""

    root: Path

    @property
    def cache(self) -> Path:
        """Media and what else can be made again; safe to delete."""
        return self.root / "cache"

    @property
    def images(self) -> Path:
        """Golden images: `<name>/<version>/golden.qcow2`."""
        return self.root / "images"

    def work(self, key: str) -> Path:
        """Return the folder of one install, made if need be; only its owner may list it.

        Others may pass through it (0711), because QEMU of qemu:///system runs as a user of its own and must reach
        the disk; each file in it is 0600 until libvirt hands it to QEMU.
        """
        folder = self.root / "work" / key
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o711)
        return folder

    def salt(self) -> bytes:
        """Return this data root's own random bytes, made once.

        They salt password hashes, so that the same recipe gives the same answer file, and thus reuses its install.
        """
        path = self.root / "salt"
        if not path.exists():
            with lock(self.root / "salt.lock"):
                if not path.exists():
                    with finished_file(path) as partial:
                        partial.touch(mode=0o600)
                        partial.write_bytes(os.urandom(32))
        return path.read_bytes()


@contextmanager
def finished_file(path: Path) -> Iterator[Path]:
    """Yield a path to write to; it becomes `path`, safely on disk, only if the block succeeds.

    Two writers of one path need a lock: the unfinished file has the same name for both.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    partial.unlink(missing_ok=True)
    try:
        yield partial
        _sync(partial)
        partial.replace(path)
        _sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def finished_folder(path: Path) -> Iterator[Path]:
    """Yield a folder to fill; it becomes `path`, safely on disk, only if the block succeeds.

    Until then it is a sibling named `.partial-...`, which a killed process leaves behind. Each has a name of its
    own, because a program that outlives its killed parent may still write to the old one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f"{PARTIAL}{path.name}-", dir=path.parent))
    try:
        yield partial
        partial.chmod(0o755)
        for entry in (*partial.rglob("*"), partial):
            _sync(entry)
        partial.rename(path)
        _sync(path.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def lock(path: Path, waiting: Callable[[str], None] = lambda _holder: None, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock file at `path` for the block; `waiting` is told once who holds it, if it must be waited for.

    The kernel drops the lock with the process (flock(2)), so a killed build leaves none. With `wait` false a held
    lock raises HostError that names the holder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = f"process {file.read().strip() or 'unknown'}"
            if not wait:
                raise HostError(f"'{path.stem}' is in use by {holder}.", hint="Wait for it, or end it.") from None
            waiting(holder)
            fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        yield


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
