"""How an installation ends: from all that was seen of it, one verdict.

Power-off is not success: success is the proof on the console and then a power-off by the guest itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from imgpipe.machine_state import Activity, MachineState
from imgpipe.watch.classify import Asked, Classifier, Failed, Proven, Reached, Source
from imgpipe.watch.console import LineDecoder
from imgpipe.watch.silence import Patience, Stillness

_RESETS_BORNE = 5
"""Firmware may reset a machine before the first line is shown: UEFI with empty variables does so once."""
_REBOOTS_BORNE = 25
"""An installer that may reboot does so a few times, and libvirt counts each twice."""
_CAUSE_SECONDS = 3.0
"""How long after 'it failed' a line is waited for that says why: installers print both in one go."""

_CREEP = 1 / 50
"""What one line of a phase without counts is worth, of what is left of that phase."""

_SHUTDOWN_SECONDS = 60.0
"""How long a system that keeps its logs on its disk is given to write them and switch itself off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What was seen of the machine at `now` (seconds, monotonic): the new bytes, and what it does.

    `proven` says that the proof was seen elsewhere than on the console.
    """

    now: float
    state: MachineState
    console: bytes = b""
    log: bytes = b""
    activity: Activity | None = None
    disk_errors: Mapping[str, str] = field(default_factory=dict)
    proven: bool = False


@dataclass(frozen=True, slots=True)
class Success:
    """The installation proved that it finished, and the guest switched itself off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The installation failed; `culprit` says who must act.

    `stray` failures come from nothing that was asked for: the same machine, run again, most likely gets through.
    """

    reason: str
    culprit: Literal["guest", "host"] = "guest"
    stray: bool = False


Verdict = Success | Failure


class Judge:
    """Hears every observation of one machine, in order; `work` is what it is there for, in its sentences.

    With `proof_on_disk`, a machine that switches itself off has done what can be seen from outside.
    """

    def __init__(
        self,
        now: float,
        classifier: Classifier,
        patience: Patience,
        *,
        reboots_allowed: bool,
        proof_on_disk: bool = False,
        work: str = "installation",
    ) -> None:
        self._proof_on_disk = proof_on_disk
        self._work = work
        self._classifier = classifier
        self._patience = patience
        self._reboots_allowed = reboots_allowed
        self._start = now
        self._stillness = Stillness(now, patience.idle_cpu)
        self._decoders: dict[Source, LineDecoder] = {"console": LineDecoder(), "log": LineDecoder()}
        self._question: Asked | None = None
        self._failed: Failed | None = None
        self._failed_at = now
        self._proven = False
        self._hangs = False
        self._late_device: str | None = None
        self._percent = 0.0

    @property
    def proven(self) -> bool:
        """Whether the proof was seen."""
        return self._proven

    @property
    def late_device(self) -> str | None:
        """The first device that the console says did not appear in time; '' for one without a name."""
        return self._late_device

    def last_lines(self, count: int = 15) -> tuple[str, ...]:
        """Return the end of the console, and of the log where there is one, for a failure report."""
        console = self._decoders["console"]
        shown = [*console.lines, *((console.open_line,) if console.open_line else ())][-count:]
        logged = list(self._decoders["log"].lines)[-count:]
        lines = ["console:", *(f"  {line}" for line in shown)] if shown else ["console: (nothing was printed)"]
        return (*lines, *(("log:", *(f"  {line}" for line in logged)) if logged else ()))

    def observe(self, seen: Observation) -> tuple[list[Reached], Verdict | None]:
        """Take what was seen; return the progress in it, and the verdict once there is one."""
        self._proven = self._proven or seen.proven
        before = self._failed
        progress = [*self._read(seen.console, "console"), *self._read(seen.log, "log")]
        if before is None:
            self._failed_at = seen.now
        self._stillness.observe(seen.now, seen.activity, text=bool(seen.console or seen.log))
        return progress, self._verdict(seen)

    def _read(self, data: bytes, source: Source) -> list[Reached]:
        found: list[Reached] = []
        for line in _entries(self._decoders[source].feed(data), source):
            self._hangs = self._hangs or self._classifier.tells_of_a_hang(line)
            if self._late_device is None:
                self._late_device = self._classifier.late_device(line)
            match self._classifier.read(line, source):
                case Reached() as reached:
                    self._question = None
                    found.extend(self._progress(reached))
                case Failed() as failed:
                    if self._failed is None or self._failed.general > failed.general:
                        self._failed = failed
                case Asked() as asked:
                    self._question = asked
                case Proven():
                    self._proven = True
                case None if source == "console" and not self._classifier.is_kernel_message(line):
                    self._question = None
        return found

    def _progress(self, reached: Reached) -> list[Reached]:
        """Return what to show of a step: nothing of one that lies behind."""
        percent = reached.percent
        if reached.creeps_to is not None and percent <= self._percent < reached.creeps_to:
            percent = self._percent + (reached.creeps_to - self._percent) * _CREEP
        if percent < self._percent:
            return []
        self._percent = percent
        return [replace(reached, percent=percent)]

    def _verdict(self, seen: Observation) -> Verdict | None:
        return self._told(seen) or self._of_state(seen) or self._of_stillness(seen.now)

    def _told(self, seen: Observation) -> Failure | None:
        if self._failed is None:
            return None
        patience = _SHUTDOWN_SECONDS if self._proof_on_disk else _CAUSE_SECONDS if self._failed.general else 0.0
        if seen.state.situation == "running" and seen.now - self._failed_at < patience:
            return None
        return Failure(reason=self._failed.reason)

    def _of_state(self, seen: Observation) -> Verdict | None:
        match seen.state.situation:
            case "io-error":
                return _disk_failure(seen.disk_errors)
            case "crashed":
                return Failure(reason="The guest's kernel panicked.")
            case "paused":
                return Failure(reason="The machine was paused from outside.", culprit="host")
            case "ended":
                return self._of_ending(seen.state)
            case "running":
                return self._of_reboots(seen.state.reboots)

    def _of_ending(self, state: MachineState) -> Verdict:
        match state.ending:
            case "powered-off" if self._proven or self._proof_on_disk:
                return Success()
            case "powered-off":
                return Failure(reason=f"The machine switched itself off before the {self._work} had finished.")
            case "crashed":
                return Failure(reason="The machine crashed.")
            case "destroyed":
                return Failure(reason="The machine was ended from outside.", culprit="host")
            case _:
                return Failure(reason="QEMU ended for a reason that libvirt does not tell.", culprit="host", stray=True)

    def _of_reboots(self, reboots: int) -> Failure | None:
        if self._reboots_allowed or not reboots:
            return Failure(reason="The machine reboots again and again.") if reboots > _REBOOTS_BORNE else None
        if self._proven:
            return Failure(
                reason=f"The {self._work} finished, but the machine rebooted instead of switching itself off."
            )
        if self._percent > 0:
            return Failure(reason=f"The machine rebooted before the {self._work} had finished.")
        return Failure(reason="The machine resets again and again.") if reboots > _RESETS_BORNE else None

    def _of_stillness(self, now: float) -> Failure | None:
        idle, mute, patience = self._stillness.idle_for(now), self._stillness.mute_for(now), self._patience
        question = self._question or self._classifier.peek(self._decoders["console"].open_line)
        if question and idle >= patience.question_s:
            return Failure(reason=question.reason)
        if idle >= patience.idle_s and self._proven:
            return Failure(reason=f"The {self._work} finished, but the machine did not switch itself off.")
        if idle >= patience.idle_s:
            cause = "The guest's kernel hangs: it" if self._hangs else "The machine"
            return Failure(reason=f"{cause} has done nothing for {idle:.0f} seconds.", stray=self._hangs)
        if mute >= patience.busy_s:
            return Failure(reason=f"The machine has computed for {mute / 60:.0f} minutes without a word or a write.")
        if now - self._start >= patience.whole_s:
            return Failure(reason=f"The {self._work} did not end within {patience.whole_s / 3600:.0f} hours.")
        return None


def _entries(lines: list[str], source: Source) -> Iterator[str]:
    """Yield the lines of what was said: rsyslog writes those of one message as one, with '#012' for a line break.

    Source: rsyslog's $EscapeControlCharactersOnReceive; installers hand their logs on through it.
    """
    for line in lines:
        yield from filter(None, map(str.strip, line.split("#012"))) if source == "log" else (line,)


def _disk_failure(errors: Mapping[str, str]) -> Failure:
    if "no space" in errors.values():
        return Failure(reason="The host ran out of space for the machine's disk.", culprit="host")
    return Failure(reason="The host could not write the machine's disk.", culprit="host")
