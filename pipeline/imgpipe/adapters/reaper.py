"""Processes that ended and that nobody takes note of: where process 1 reaps no children, as in containers without init.

libvirt leaves each QEMU to process 1, and takes one that ended for running as long as it is a zombie (proc(5)).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from imgpipe.adapters import process
from imgpipe.errors import HostError
from imgpipe.events import Listener, Note

INIT = "'docker run --init' or 'podman run --init'"
"""What gives a container a process 1 that reaps."""
_PROC = Path("/proc")
_QEMU = ("qemu-system", "qemu-kvm")
_SILENT_S = 5.0
# Some look for what ended every other second only.
_PATIENCE_S, _APART_S = 6.0, 0.05
# The shell ends first, so what it started is left to process 1.
_ORPHAN = "sleep 0.01 < /dev/null > /dev/null 2>&1 & echo $!"


@dataclass(frozen=True, slots=True, kw_only=True)
class Zombie:
    """A process that ended and is still there, with its parent: process id and program."""

    pid: int
    parent: int
    program: str


def lost_qemu() -> Zombie | None:
    """Return a QEMU of this host that ended and that its parent takes no note of; None where there is none."""
    for folder in _PROC.glob("[0-9]*"):
        state = _stat(folder)
        if state and state[0].startswith(_QEMU) and state[1] == "Z":
            return _zombie(int(folder.name), state[2])
    return None


def left_orphan() -> Zombie | None:
    """Start a process that is left to process 1 and ends; return it if it is still there some seconds later.

    Where process 1 has one already that ended, nothing is started: each look would leave one more.
    """
    pid = min(_zombies_of_init(), default=0) or int(process.run("sh", "-c", _ORPHAN))
    end = time.monotonic() + _PATIENCE_S
    while (state := _stat(_PROC / str(pid))) is not None:
        if time.monotonic() > end:
            return _zombie(pid, state[2]) if state[1] == "Z" else None
        time.sleep(_APART_S)
    return None


@contextmanager
def waited_for(name: str, uri: str, notify: Listener) -> Iterator[None]:
    """End a machine in the block: after the first seconds it is said what that waits for, if it is known.

    What fails because of it is told as such a HostError.
    """
    parts = urlsplit(uri)
    if parts.scheme != "qemu" or parts.netloc:
        yield
        return
    timer = threading.Timer(_SILENT_S, _tell, (name, notify))
    timer.daemon = True
    timer.start()
    try:
        yield
    except HostError as error:
        if lost := lost_qemu():
            raise HostError(
                f"libvirt cannot end the machine '{name}': {_why(lost)}.",
                hint=f"Start the container with a process 1 that reaps, such as {INIT}, or systemd. In this one "
                "libvirt's daemon waits for each machine that ends, and may not answer any more.",
                details=error.details,
            ) from error
        raise
    finally:
        timer.cancel()


def _tell(name: str, notify: Listener) -> None:
    if lost := lost_qemu():
        notify(Note(text=f"Still waiting for libvirt to end '{name}', for minutes maybe: {_why(lost)}.", warning=True))
    else:
        notify(Note(text=f"Still waiting for libvirt to end '{name}'."))


def _why(lost: Zombie) -> str:
    return (
        f"its QEMU, process {lost.pid}, has ended, but process {lost.parent} ('{lost.program}') takes no note of "
        "processes that end"
    )


def _zombies_of_init() -> set[int]:
    stats = ((int(folder.name), _stat(folder)) for folder in _PROC.glob("[0-9]*"))
    return {pid for pid, state in stats if state and state[1:] == ("Z", 1)}


def _zombie(pid: int, parent: int) -> Zombie:
    state = _stat(_PROC / str(parent))
    return Zombie(pid=pid, parent=parent, program=state[0] if state else "unknown")


def _stat(folder: Path) -> tuple[str, str, int] | None:
    """Return a process' name, state and parent; None where it is gone. The name may have blanks and brackets."""
    try:
        start, _, rest = (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")
    except OSError:
        return None
    state, parent, *_ = rest.split()
    return start.partition("(")[2], state, int(parent)
