"""Locks that QEMU holds on the images it uses, which are asked of the kernel (fcntl(2), open file description locks).

A QEMU that libvirt has forgotten holds them still: nothing else tells that it runs.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

# QEMU locks single bytes from here on: what it may do, and what it lets others do (block/file-posix.c in QEMU).
_FIRST, _COUNT = 100, 200
_FLOCK = struct.Struct("hhqqi4x")
_APART_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A process that has a file open; `guest` is the machine's name where it is a QEMU of libvirt's."""

    pid: int
    guest: str = ""


def is_held(path: Path) -> bool:
    """Say whether a QEMU, or a program of its, uses an image; not where that cannot be asked."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return False
    asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, _FIRST, _COUNT, 0)
    try:
        told = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, asked)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return int(_FLOCK.unpack(told)[0]) != fcntl.F_UNLCK


def stays_held(path: Path, seconds: float) -> bool:
    """Say whether an image is still used when the time is over; a QEMU that ends keeps its locks for a moment."""
    end = time.monotonic() + seconds
    while is_held(path):
        if time.monotonic() > end:
            return True
        time.sleep(_APART_S)
    return False


def holder(path: Path) -> Holder | None:
    """Return a process that has the file open; None where none can be seen, which needs root for those of others."""
    try:
        wanted = path.stat()
    except OSError:
        return None
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            for descriptor in (folder / "fd").iterdir():
                with suppress(OSError):
                    if os.path.samestat(descriptor.stat(), wanted) and int(folder.name) != os.getpid():
                        return Holder(pid=int(folder.name), guest=_guest(folder))
    return None


def _guest(folder: Path) -> str:
    """Return what follows '-name guest=' on a QEMU's command line."""
    words = os.fsdecode((folder / "cmdline").read_bytes()).split("\0")
    names = [word for before, word in pairwise(words) if before == "-name"]
    return names[0].removeprefix("guest=").partition(",")[0] if names else ""


def whose(path: Path) -> tuple[str, str]:
    """Return who uses an image, as the end of a sentence, and what to do about it."""
    found = holder(path)
    if found is None:
        return "by another process", "End what uses it; root sees which process that is: 'fuser FILE'."
    if not found.guest:
        return f"by process {found.pid}", f"Wait until that has ended: 'ps {found.pid}' says what it is."
    return (
        f"by process {found.pid}, a QEMU with the machine '{found.guest}'",
        "libvirt does not know of it, if 'virsh list' has no such machine. What runs in it is lost where it is ended: "
        f"'kill {found.pid}'.",
    )
