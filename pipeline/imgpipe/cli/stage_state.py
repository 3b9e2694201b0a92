"""What is known of each stage at a moment: the state behind every display, put together from events."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from imgpipe.disclosure import one_line
from imgpipe.events import Event, Note, Progress, StageFinished, StageStarted

Condition = Literal["waiting", "running", "done", "reused", "failed"]


@dataclass(slots=True, kw_only=True)
class StageState:
    """One stage: how far it is, since when, and how long it took last time."""

    name: str
    clock: Callable[[], float]
    condition: Condition = "waiting"
    estimate_s: float | None = None
    progress: Progress | None = None
    begun: float = 0.0
    seconds: float = 0.0

    def elapsed_s(self) -> float:
        """Return how long the stage has run, or ran."""
        return self.clock() - self.begun if self.condition == "running" else self.seconds

    def fraction(self) -> float | None:
        """Return how much is done, 0 to 1: as it was told, else as last time's duration suggests."""
        if self.progress is not None and self.progress.percent is not None:
            return min(max(self.progress.percent / 100, 0.0), 1.0)
        if self.estimate_s:
            return min(self.elapsed_s() / self.estimate_s, 0.95)
        return None

    def left_s(self) -> float | None:
        """Estimate how long the stage will still run; None where any number would be a guess.

        Early on last time's duration knows better, later the percentage does: they are mixed by how far it is. The
        number is rounded up, to 5 s or to whole minutes, so that it does not flicker.
        """
        elapsed = self.elapsed_s()
        told = self.progress.percent / 100 if self.progress and self.progress.percent else 0.0
        by_percent = elapsed * (1 - told) / told if told >= 0.15 and elapsed >= 5 else None
        by_last_time = self.estimate_s - elapsed if self.estimate_s and self.estimate_s > elapsed else None
        if by_percent is None or by_last_time is None:
            guess = by_last_time if by_percent is None else by_percent
        else:
            guess = told * by_percent + (1 - told) * by_last_time
        return None if guess is None else _coarse(guess)

    def count(self) -> str:
        """Return '212 of 431 packages', or nothing where nothing is counted."""
        found = self.progress
        if found is None or found.done is None:
            return ""
        if found.unit == "bytes":
            from imgpipe.sizes import show_bytes

            parts = [show_bytes(found.done), show_bytes(found.total) if found.total else ""]
            return " of ".join(part for part in parts if part)
        total = f" of {found.total}" if found.total else ""
        return one_line(f"{found.done}{total} {found.unit}").rstrip()


@dataclass(slots=True, kw_only=True)
class BuildState:
    """All stages, in the order in which they come."""

    clock: Callable[[], float] = time.monotonic
    stages: dict[str, StageState] = field(default_factory=dict)

    def expect(self, names: Iterable[str]) -> None:
        """Name stages that will come."""
        for name in names:
            self.stages[name] = StageState(name=name, clock=self.clock)

    def hear(self, event: Event) -> StageState | None:
        """Take an event in and return the stage it is of."""
        if isinstance(event, Note):
            return None
        stage = self.stages.get(event.stage)
        if stage is None or isinstance(event, StageStarted):
            stage = StageState(name=event.stage, clock=self.clock, condition="running", begun=self.clock())
            self.stages[event.stage] = stage
        if isinstance(event, StageStarted):
            stage.estimate_s = event.estimate_s
        elif isinstance(event, StageFinished):
            stage.condition = "reused" if event.reused else "done"
            stage.seconds = event.seconds
        else:
            if stage.condition == "waiting":
                stage.condition, stage.begun = "running", self.clock()
            stage.progress = event
        return stage

    def fail(self) -> None:
        """Mark what was running as failed: an exception ended it."""
        for stage in self.stages.values():
            if stage.condition == "running":
                stage.seconds = stage.elapsed_s()
                stage.condition = "failed"


def show_counter(seconds: float) -> str:
    """Return a running clock: '0:07', '11:24', '1:02:03'."""
    whole = int(seconds)
    if whole >= 3600:
        return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
    return f"{whole // 60}:{whole % 60:02}"


def show_span(seconds: float) -> str:
    """Return a duration in words, no finer than its size deserves: '0.4 s', '45 s', '11 min 20 s', '2 h 5 min'."""
    if seconds < 10:
        return f"{round(seconds, 1):g} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        rest = int(seconds) % 60 // 5 * 5
        return f"{int(seconds) // 60} min" + (f" {rest} s" if rest else "")
    minutes = int(seconds) // 60 % 60
    return f"{int(seconds) // 3600} h" + (f" {minutes} min" if minutes else "")


def _coarse(seconds: float) -> float:
    step = 60 if seconds > 120 else 5
    return -(-seconds // step) * step
