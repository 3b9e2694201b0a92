"""Whether process 1 takes note of processes that end: where it does not, libvirt cannot end machines."""

from __future__ import annotations

from collections.abc import Iterator

from imgpipe.adapters.reaper import INIT, Zombie, left_orphan
from imgpipe.host.doctor.finding import Finding

NAME = "process 1"


def find() -> Iterator[Finding]:
    """Leave a process to process 1, and say what became of it; raises HostError where none can be started."""
    yield judge(left_orphan())


def judge(left: Zombie | None) -> Finding:
    """Say what a process means that ended and is still there."""
    if left is None:
        return Finding(name=NAME, state="ok", meaning="It takes note of processes that end, as libvirt needs it.")
    return Finding(
        name=NAME,
        state="warn",
        meaning=f"Process {left.parent} ('{left.program}') takes no note of processes that end. libvirt then waits for "
        f"minutes for each machine's end, and may not see it at all: start the container with {INIT}, or with systemd.",
    )
