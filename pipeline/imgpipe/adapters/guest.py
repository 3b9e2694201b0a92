"""Guests' disks, offline: libguestfs in a worker process of its own (see `imgpipe.guest_worker`).

One appliance opens one disk, inspects and mounts it, and does everything that is asked until it is closed. Every
request has a time limit; when one is exceeded, the worker and its QEMU are killed and HostError is raised.
"""

from __future__ import annotations

import base64
import dataclasses
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from imgpipe.adapters.guest_process import LAUNCH_HINT, GuestProcess
from imgpipe.adapters.scratch import scratch
from imgpipe.artifacts import OsRelease, Package, PackageList
from imgpipe.disk_source import CheckedDisk
from imgpipe.domain_spec import Accelerator
from imgpipe.environment import of_children
from imgpipe.errors import GuestError, HostError
from imgpipe.offline_edits import Absent, Claim, Step, WithoutMacs
from imgpipe.os_release import os_release

# The worker's Python is isolated (-I), so that nothing of our environment reaches it but this one path, last.
_WORKER = "import sys; sys.path.append(sys.argv[1]); from imgpipe.guest_worker.serve import serve; serve(sys.argv[2])"
_PACKAGES = Path(__file__).parents[2]

# Seconds, for a host without KVM that is busy besides; a healthy one needs a tenth of it.
OPEN_S = 600
EDIT_S = 900
_READ_S = 120
_EMPTY = 64 * 2**20

_OLDEST_PYTHON = (3, 9)
_TOO_OLD = 9
"""The exit code of a Python that has the binding and is older."""
_INTERPRETERS = ("/usr/bin/python3", "/usr/libexec/platform-python", "/usr/bin/python3.13", "/usr/bin/python3.12")


class PythonTooOldError(HostError):
    """The distribution's Python, the only one that has libguestfs' binding, cannot run the worker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What libguestfs found on a disk; an empty text is something it does not know.

    `version` is 'major.minor' with 0 for no minor version; `mountpoints` has the device of each.
    """

    kind: str
    product: str
    distro: str
    version: str
    arch: str
    package_format: str
    hostname: str
    mountpoints: tuple[tuple[str, str], ...]


class Guest:
    """A mounted guest; every path is one inside it, and links are resolved inside it."""

    def __init__(self, worker: GuestProcess, inspection: Inspection) -> None:
        self._worker = worker
        self.inspection = inspection

    def apply(self, steps: Iterable[Step]) -> int:
        """Apply the steps in order; return how many paths they changed. Raises GuestError where one cannot."""
        return int(self._worker.ask("apply", EDIT_S, steps=as_requests(steps)))

    def read(self, path: str, limit: int = 65536) -> bytes | None:
        """Return the first `limit` bytes of a regular file, at most 1 MiB; None where there is none."""
        told = self._worker.ask("read", _READ_S, path=path, limit=limit)
        return None if told is None else base64.b64decode(told)

    def size(self, path: str) -> int | None:
        """Return the bytes of a regular file; None where there is none."""
        told = self._worker.ask("size", _READ_S, path=path)
        return None if told is None else int(told)

    def exists(self, path: str) -> bool:
        """Say whether a file, folder or link has this very name; nothing in it is taken for a pattern."""
        return bool(self._worker.ask("exists", _READ_S, path=path))

    def glob(self, pattern: str) -> tuple[str, ...]:
        """Return what matches, sorted."""
        return tuple(map(str, self._worker.ask("glob", _READ_S, pattern=pattern)))

    def remains(self, claim: Absent) -> tuple[str, ...]:
        """Return what is there although `claim` says that it is not."""
        told = self._worker.ask("remains", _READ_S, **dataclasses.asdict(claim))
        return tuple(map(str, told))

    def with_macs(self, claim: WithoutMacs) -> tuple[str, ...]:
        """Return what holds a MAC address, or is named by one, although `claim` says that nothing does."""
        return tuple(map(str, self._worker.ask("with_macs", EDIT_S, **dataclasses.asdict(claim))))

    def remarks(self) -> tuple[str, ...]:
        """Return sentences about what the steps that were applied left to be done in the guest."""
        return tuple(map(str, self._worker.ask("remarks", _READ_S)))

    def search(self, patterns: Iterable[str], texts: Iterable[str]) -> tuple[str, ...]:
        """Return the regular files that match a pattern and hold one of the texts in their first MiB."""
        return tuple(self._worker.ask("search", EDIT_S, patterns=list(patterns), needles=list(texts)))

    def packages(self) -> PackageList:
        """Return what the guest's own database has, sorted by name; it is empty where none can be read."""
        told = self._worker.ask("packages", EDIT_S)
        names = [field.name for field in dataclasses.fields(Package)]
        packages = (Package(**dict(zip(names, map(str, values), strict=False))) for values in told["packages"])
        return PackageList(
            format=str(told["format"]), packages=tuple(sorted(packages, key=lambda item: (item.name, item.version)))
        )

    def release(self) -> OsRelease:
        """Return what the guest's os-release(5) says of it; its links are not followed, as both names are tried."""
        for path in ("/etc/os-release", "/usr/lib/os-release"):
            if content := self.read(path):
                return os_release(content.decode(errors="replace"))
        return OsRelease()

    def relabel(self) -> int:
        """Give SELinux labels to what was made anew, if the guest has labels; return how many paths got one."""
        return int(self._worker.ask("relabel", EDIT_S))

    def trim(self) -> tuple[str, ...]:
        """Discard free space, so that the image is small; return the mount points that cannot."""
        return tuple(self._worker.ask("trim", EDIT_S))


@contextmanager
def open_disk(
    disk: Path | CheckedDisk, *, accelerator: Accelerator, read_only: bool = False, log: Path | None = None
) -> Iterator[Guest]:
    """Launch one appliance with the disk, inspect and mount it; unmount and power off at the end of the block.

    A path is a qcow2 of our own; a foreign disk, which was checked, is only looked at.

    Raises GuestError if the disk does not hold exactly one readable operating system, HostError if the appliance
    cannot start. When the block raises, the appliance is killed and the disk is as good as unplugged. `log` gets
    what libguestfs and the appliance's kernel say.
    """
    looked_at = read_only or isinstance(disk, CheckedDisk)
    with start_worker(log) as worker, opened_file(disk, read_only=read_only) as path:
        found = worker.ask(
            "open",
            OPEN_S,
            path=os.fspath(path.resolve()),
            disk_format="qcow2",
            force_tcg=accelerator == "tcg",
            read_only=looked_at,
        )
        yield Guest(worker, _inspection(found))
        worker.ask("close", EDIT_S)


def opened_file(disk: Path | CheckedDisk, *, read_only: bool) -> AbstractContextManager[Path]:
    """Return the block's qcow2 file that an appliance may write to: the disk itself, or an overlay to throw away."""
    return scratch(disk) if read_only or isinstance(disk, CheckedDisk) else nullcontext(disk)


def try_appliance(accelerator: Accelerator, folder: Path) -> tuple[str, tuple[str, ...]]:
    """Launch an appliance once; return its kernel's release and the file systems that it can mount.

    `folder` gets an empty disk and the appliance's log. Raises HostError if it does not start.
    """
    disk = folder / "empty.img"
    disk.touch()
    os.truncate(disk, _EMPTY)
    with start_worker(folder / "appliance.log") as worker:
        try:
            told = worker.ask("try", OPEN_S, path=os.fspath(disk), force_tcg=accelerator == "tcg")
        except GuestError as error:
            raise HostError(str(error), hint=LAUNCH_HINT, details=error.details) from error
    known = tuple(str(name) for name, there in told["filesystems"].items() if there)
    return str(told["kernel"]), known


def start_worker(log: Path | None, kind: Literal["linux", "volume"] = "linux") -> AbstractContextManager[GuestProcess]:
    """Return the block's worker process, not yet asked anything: for Linux, or for one volume of another system."""
    return GuestProcess.start([guestfs_python(), "-I", "-B", "-c", _WORKER, os.fspath(_PACKAGES), kind], log)


def as_requests(records: Iterable[Step | Claim]) -> list[dict[str, Any]]:
    """Return steps or claims as the worker takes them."""
    return [{"kind": type(record).__name__, **dataclasses.asdict(record)} for record in records]


def _inspection(found: dict[str, Any]) -> Inspection:
    mountpoints = tuple(sorted(found.pop("mountpoints").items()))
    known = {name: "" if value == "unknown" else str(value)[:200] for name, value in found.items()}
    if known["kind"] != "linux":
        raise GuestError(
            f"The disk holds '{known['product'] or known['kind']}', not Linux.",
            hint="Only Linux can be sealed offline; Windows has to seal itself, as it does where imgpipe built it.",
        )
    return Inspection(mountpoints=mountpoints, **known)


@cache
def guestfs_python() -> str:
    """Return a Python that can import guestfs; IMGPIPE_GUESTFS_PYTHON is tried first."""
    own = os.environ.get("IMGPIPE_GUESTFS_PYTHON")
    candidates = (own,) if own else (sys.executable, *_INTERPRETERS, shutil.which("python3"))
    old = []
    for candidate in filter(None, candidates):
        code = _try_guestfs(candidate)
        if code == 0:
            return candidate
        if code == _TOO_OLD:
            old.append(candidate)
    if old:
        raise PythonTooOldError(
            f"The Python '{old[0]}', which has libguestfs' binding, is older than "
            f"{'.'.join(map(str, _OLDEST_PYTHON))}: imgpipe cannot edit disks by it.",
            hint="Build on a host with a newer Python of its own (Enterprise Linux 9, openEuler 22.03, Debian 12 or "
            "later), and deploy the image here; or name another Python by IMGPIPE_GUESTFS_PYTHON.",
        )
    raise HostError(
        f"The Python '{own}' cannot import 'guestfs'." if own else "No Python here can import 'guestfs'.",
        hint="Install libguestfs' Python binding: 'apt install python3-guestfs' on Debian and Ubuntu, "
        "'dnf install python3-libguestfs' on Rocky and its kin. IMGPIPE_GUESTFS_PYTHON may name another Python.",
    )


def _try_guestfs(python: str) -> int:
    """Return 0 where the worker can run, `_TOO_OLD` where only Python's age forbids it, else another number."""
    script = f"import sys, guestfs; sys.exit({_TOO_OLD} if sys.version_info < {_OLDEST_PYTHON} else 0)"
    try:
        tried = subprocess.run(
            [python, "-I", "-c", script], capture_output=True, timeout=60, check=False, env=of_children()
        )
    except (OSError, subprocess.TimeoutExpired):
        return 1
    return tried.returncode
