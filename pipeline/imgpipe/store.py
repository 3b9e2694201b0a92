"""Where everything is kept, and the rule that a finished name exists only when the thing is finished."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from imgpipe.errors import HostError
from imgpipe.own_files import own_folder, read_own, write_new
from imgpipe.trust import trusted_owners, user_name

PARTIAL = ".partial-"
"""How the name of an unfinished folder starts."""

_SALT_BYTES = 32
_CAREFUL = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
# What a lock file holds: the number of the process that had it last.
_LONGEST_PROCESS = 20
_PROCESS = re.compile(rb"\d{0,20}\n?")
_LOCK_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,199}")


class LockHeld(HostError):
    """A lock that was not to be waited for is held by another process."""


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
        return own_folder(self.root / "work", key, 0o711)

    def lock_file(self, name: str) -> Path:
        """Return the lock file called `name`: all are in `locks/`, which only its owner may enter."""
        if not _LOCK_NAME.fullmatch(name):
            name = hashlib.sha256(os.fsencode(name)).hexdigest()
        return self.root / "locks" / f"{name}.lock"

    def known_salt(self) -> bytes | None:
        """Return this data root's salt, None where none was made yet; nothing is made or changed.

        Raises HostError where something is there that is no salt: hashes of another one would be other ones.
        """
        path = self.root / "salt"
        try:
            found = read_own(path, _SALT_BYTES)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _no_salt(path, error.strerror or "") from None
        if len(found) != _SALT_BYTES:
            raise _no_salt(path, f"It has {len(found)} bytes, not {_SALT_BYTES}")
        return found

    def salt(self) -> bytes:
        """Return this data root's own random bytes, made once.

        They salt password hashes, so that the same recipe gives the same answer file, and thus reuses its install.
        Raises HostError as `known_salt`.
        """
        if (known := self.known_salt()) is not None:
            return known
        with lock(self.lock_file("salt")):
            if (known := self.known_salt()) is None:
                known = os.urandom(_SALT_BYTES)
                with finished_file(self.root / "salt") as partial:
                    write_new(partial, known, 0o600)
        return known


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
    lock raises LockHeld that names the holder. Who may only open a file for reading can hold its lock too, so nobody
    else may open this one: it is 0600 in a folder of locks that is 0700. Raises HostError for anything else there.
    """
    with os.fdopen(_open_lock(path), "r+", encoding="ascii", errors="replace") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = f"process {file.read().strip() or 'unknown'}"
            if not wait:
                raise LockHeld(f"'{path.stem}' is in use by {holder}.", hint="Wait for it, or end it.") from None
            waiting(holder)
            fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        yield


def is_held(path: Path) -> bool:
    """Say whether somebody holds the lock file at `path`; nothing is made or changed."""
    try:
        descriptor = os.open(path, os.O_RDONLY | _CAREFUL)
    except OSError:
        return False
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return False
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _open_lock(path: Path) -> int:
    """Open a lock file, made if need be, below a folder that is ours alone; nothing else is ever opened for it."""
    try:
        folder = _open_private(path.parent)
        try:
            descriptor = os.open(path.name, os.O_RDWR | os.O_CREAT | _CAREFUL, 0o600, dir_fd=folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise HostError(
            f"The lock '{path}' cannot be opened: {error.strerror}.", hint="Is the data root yours, and writable?"
        ) from None
    status = os.fstat(descriptor)
    if (
        not stat.S_ISREG(status.st_mode)
        or status.st_nlink != 1
        or status.st_uid not in trusted_owners()
        or not _PROCESS.fullmatch(os.pread(descriptor, _LONGEST_PROCESS + 1, 0))
    ):
        os.close(descriptor)
        raise HostError(f"'{path}' is no lock file of imgpipe's.", hint="Find out what it is, and remove it.")
    if stat.S_IMODE(status.st_mode) != 0o600 and status.st_uid == os.geteuid():
        os.fchmod(descriptor, 0o600)
    return descriptor


def _open_private(folder: Path) -> int:
    """Open a folder that only its owner may enter, made if need be, whatever the umask says."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        folder.mkdir(0o700)
        folder.chmod(0o700)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    status = os.fstat(descriptor)
    if status.st_uid not in trusted_owners():
        os.close(descriptor)
        raise HostError(
            f"The folder of locks '{folder}' belongs to {user_name(status.st_uid)}.",
            hint="Use a data root of your own.",
        )
    if stat.S_IMODE(status.st_mode) != 0o700 and status.st_uid == os.geteuid():
        os.fchmod(descriptor, 0o700)
    return descriptor


def _no_salt(path: Path, reason: str) -> HostError:
    return HostError(
        f"The salt of the data root, '{path}', cannot be used: {reason}.",
        hint="Restore it from a backup. If it is lost, remove it: passwords get other hashes then, so that installs "
        "are made anew, and machines are seen as changed.",
    )


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
