"""A bound in time and memory around what a test reads: a hostile file is neither waited for nor swallowed."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def bounded_by(what: str, *, seconds: int, memory: int) -> Iterator[None]:
    """Fail where `what` is read for longer than so many seconds, or needs so many bytes more than there were."""

    def told(_number: int, _frame: object) -> None:
        raise AssertionError(f"{what} was read for longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, told)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - grown < memory
