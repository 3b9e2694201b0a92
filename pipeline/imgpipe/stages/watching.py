"""Watching a machine to its end: the loop between libvirt, its files and the judge."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Protocol

from imgpipe.domain_spec import Accelerator
from imgpipe.emulated_boot import lateness
from imgpipe.errors import GuestError, HostError, ImgpipeError
from imgpipe.events import Listener, Progress
from imgpipe.machine_state import Activity, MachineState
from imgpipe.stages.following import FollowedFile
from imgpipe.watch.classify import Reached
from imgpipe.watch.verdict import Failure, Judge, Observation, Verdict

_POLL_SECONDS = 0.4
_DRAIN_SECONDS = 0.6
_PROGRESS_SECONDS = 1.0
_LONGEST_CONSOLE = 256 * 2**20


class Watched(Protocol):
    """What is asked of a running machine."""

    def state(self) -> MachineState:
        """Say what the machine does."""

    def activity(self) -> Activity | None:
        """Say what it has used."""

    def disk_errors(self) -> dict[str, str]:
        """Say which disks stopped it."""

    def screenshot(self, path: Path) -> bool:
        """Write its screen as PNG."""

    def finish_records(self) -> None:
        """Wait until all that a machine which is over said is in its files."""

    def last_words(self) -> tuple[str, ...]:
        """Return what the emulator itself said before it ended."""


class Watch:
    """One machine, its console and its log, watched until the judge has a verdict."""

    def __init__(self, machine: Watched, judge: Judge, console: FollowedFile, log: FollowedFile | None) -> None:
        self._machine = machine
        self._judge = judge
        self._console = console
        self._log = log

    def until_verdict(self, tell: Callable[[Reached], None], each: Callable[[Activity | None], bool]) -> Verdict:
        """Look at the machine every 0.4 s; `each` is called with its activity and says whether it has proven itself."""
        while True:
            verdict = self._look(tell, each)
            if verdict:
                return verdict
            if self._console.total > _LONGEST_CONSOLE:
                return Failure(reason="The machine floods its console.")
            time.sleep(_POLL_SECONDS)

    def _look(self, tell: Callable[[Reached], None], each: Callable[[Activity | None], bool]) -> Verdict | None:
        # The state comes first: what a machine printed before it ended is in its files by the time they are read.
        state = self._machine.state()
        if state.situation == "ended":
            self._machine.finish_records()
        elif state.situation == "crashed":
            time.sleep(_DRAIN_SECONDS)
        activity = self._machine.activity()
        seen = Observation(
            now=time.monotonic(),
            state=state,
            console=self._drained(self._console, state),
            log=self._drained(self._log, state) if self._log else b"",
            activity=activity,
            disk_errors=self._machine.disk_errors() if state.situation == "io-error" else {},
            proven=each(activity),
        )
        progress, verdict = self._judge.observe(seen)
        for reached in progress:
            tell(reached)
        return verdict

    def _drained(self, file: FollowedFile, state: MachineState) -> bytes:
        """Return what is new in the file; of a machine that ended, all that is left of it."""
        data = file.read()
        if state.situation == "ended":
            while part := file.read():
                data += part
        return data


class Teller:
    """Tells what changed, once a second at most but each new phase at once; remembers when each began."""

    def __init__(self, stage: str, notify: Listener) -> None:
        self._stage = stage
        self._notify = notify
        self._told: Reached | None = None
        self._told_at = 0.0
        self._started = time.monotonic()
        self.phases: dict[str, float] = {}

    def __call__(self, reached: Reached) -> None:
        """Hear of progress."""
        now = time.monotonic()
        if reached == self._told or (reached.label in self.phases and now - self._told_at < _PROGRESS_SECONDS):
            return
        self._told = reached
        self.phases.setdefault(reached.label, round(now - self._started, 1))
        self._told_at = now
        unit = "packages" if reached.total else ""
        self._notify(
            Progress(
                stage=self._stage,
                phase=reached.label,
                percent=reached.percent,
                done=reached.done,
                total=reached.total,
                unit=unit,
            )
        )


def failed(
    failure: Failure, judge: Judge, machine: Watched, *, hint: str, accelerator: Accelerator = "kvm"
) -> ImgpipeError:
    """Return the error that tells a failure, with the console's end, and with QEMU's where the host is at fault.

    An emulated guest for which a device came too late was most likely slow and not wrong: the error says so.
    """
    if failure.culprit == "guest":
        reason = failure.reason
        if (device := judge.late_device) is not None:
            reason += f" {lateness(device, accelerator)}"
            if accelerator == "tcg":
                hint = f"Build again when the host is less busy, or where KVM works ('imgpipe doctor'). {hint}"
        return GuestError(reason, hint=hint, details=judge.last_lines())
    said = machine.last_words()
    words = ("qemu:", *(f"  {line}" for line in said)) if said else ()
    return HostError(failure.reason, hint=hint, details=(*words, *judge.last_lines()))


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end the block as an exception, so that what it holds is released; exit code 143."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return

    def stop(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
