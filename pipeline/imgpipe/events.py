"""What happens in a build, as values: the console, JSON lines, the log and plugins all listen alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StageStarted:
    """A stage has begun; `estimate_s` is how long it took last time on this host, if it is known."""

    stage: str
    estimate_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StageFinished:
    """A stage has succeeded; `reused` means that an earlier result still held and nothing was done."""

    stage: str
    seconds: float
    reused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Something within a stage moved on.

    `percent` is of the stage (0 to 100); `done` and `total` count what `unit` names (packages, bytes).
    """

    stage: str
    phase: str
    percent: float | None = None
    done: int | None = None
    total: int | None = None
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A sentence worth a line: a decision that would surprise, a fallback taken, a warning."""

    text: str
    warning: bool = False


Event = StageStarted | StageFinished | Progress | Note
Listener = Callable[[Event], None]


@contextmanager
def stage(name: str, notify: Listener, estimate_s: float | None = None) -> Iterator[None]:
    """Announce a stage and, when it succeeds, how long it took."""
    notify(StageStarted(stage=name, estimate_s=estimate_s))
    start = time.monotonic()
    yield
    notify(StageFinished(stage=name, seconds=time.monotonic() - start))
