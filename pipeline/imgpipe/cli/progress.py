"""What a person or a program sees of a build: one live display, plain lines, or JSON lines.

With a terminal on stderr a single display is kept up to date in place. Without one each line stands for itself,
and there are few of them, for logs. Programs get every event as a line of JSON on stdout.
"""

from __future__ import annotations

import dataclasses
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from json import dumps
from typing import TextIO

from imgpipe.cli.stage_state import BuildState, StageState, show_counter, show_span
from imgpipe.cli.streams import OutputLost
from imgpipe.disclosure import one_line, without_secrets
from imgpipe.events import Event, Listener, Note, Progress, StageFinished, StageStarted

_LINES_APART_S = 10.0
_PHASES_APART_S = 2.0
_SAME_APART_S = 60.0
"""How long a line is not repeated; then it shows that nothing hangs but the step itself."""


@contextmanager
def listener(json: bool = False, stages: Sequence[str] = ()) -> Iterator[Listener]:
    """Yield what to hand events to, for as long as they come; it may be called from several threads.

    `stages` are those that will come, so that the display can show what is still ahead.
    """
    if json:
        yield _serial(JsonLines(sys.stdout))
    elif sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        from imgpipe.cli.live import live_display

        with live_display(stages) as listen:
            yield _serial(listen)
    else:
        yield _serial(PlainLines(sys.stderr))


class JsonLines:
    """Writes each event as one line of JSON: its name as `event`, its values, and the time in UTC."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __call__(self, event: Event) -> None:
        """Write one line, at once; values that are not known are left out."""
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(event).__name__).lower()
        told = {key: value for key, value in dataclasses.asdict(event).items() if value is not None}
        moment = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._stream.write(without_secrets(dumps({"event": name, "time": moment, **told})) + "\n")
        self._stream.flush()


class PlainLines:
    """Writes lines for a log: stages, changes of phase, and a step of percent now and then."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._begun = clock()
        self._state = BuildState(clock=clock)
        self._last: dict[str, tuple[str, tuple[int | None, int | None], float]] = {}

    def __call__(self, event: Event) -> None:
        """Write the event's line, if it is worth one."""
        state = self._state.hear(event)
        if isinstance(event, Note):
            self._write(f"{'warning' if event.warning else 'note'}: {event.text}")
        elif isinstance(event, StageStarted):
            self._last.pop(event.stage, None)
            guess = f" (took {show_span(event.estimate_s)} last time)" if event.estimate_s else ""
            self._write(f"{event.stage}: started{guess}")
        elif isinstance(event, StageFinished):
            ending = "unchanged, reused" if event.reused else f"done in {show_span(event.seconds)}"
            self._write(f"{event.stage}: {ending}")
        elif state and self._is_worth_a_line(event):
            self._write(f"{event.stage}: {_moved(event, state)}")

    def _is_worth_a_line(self, event: Progress) -> bool:
        """Say whether enough changed since the stage's last line, and remember this one if so."""
        now = self._clock()
        far = (None if event.percent is None else int(event.percent), event.done)
        last = self._last.get(event.stage)
        if last is not None:
            phase, shown, when = last
            same = _SAME_APART_S if shown == far else _LINES_APART_S
            if now - when < (same if phase == event.phase else _PHASES_APART_S):
                return False
        self._last[event.stage] = (event.phase, far, now)
        return True

    def _write(self, text: str) -> None:
        clock = show_counter(self._clock() - self._begun)
        self._stream.write(f"[{clock:>5}] {one_line(text)}\n")
        self._stream.flush()


def _moved(event: Progress, state: StageState) -> str:
    """Return a phase, how much of it is done, and of the stage, and for how long it may go on."""
    told = [event.phase]
    if count := state.count():
        told.append(f"{count},")
    if event.percent is not None:
        told.append(f"{event.percent:.0f} %")
    if left := state.left_s():
        told.append(f"(about {show_span(left)} left)")
    return " ".join(told).rstrip(",")


def _serial(listen: Listener) -> Listener:
    """Let one event in at a time; a watcher who went away (closed pipe, full disk) does not end the build."""
    turn = threading.Lock()

    def heard(event: Event) -> None:
        with turn, suppress(BrokenPipeError, OutputLost):
            listen(event)

    return heard
