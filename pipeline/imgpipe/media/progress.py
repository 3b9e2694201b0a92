"""Progress of long copies as events, few enough to be read."""

from __future__ import annotations

from collections.abc import Callable

from imgpipe.events import Listener, Progress
from imgpipe.sizes import MIB

STAGE = "medium"
_UNKNOWN_STEP = 64 * MIB


def reporter(notify: Listener, phase: str) -> Callable[[int, int | None], None]:
    """Return a listener of bytes done and in all that announces each whole percent once, or each 64 MiB."""
    last = -1

    def report(done: int, total: int | None) -> None:
        nonlocal last
        step = done * 100 // total if total else done // _UNKNOWN_STEP
        if step != last:
            last = step
            percent = min(100.0, 100 * done / total) if total else None
            notify(Progress(stage=STAGE, phase=phase, percent=percent, done=done, total=total, unit="bytes"))

    return report
