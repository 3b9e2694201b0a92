"""Waiting until machines are up: when the guests themselves say so, over virtio-serial, and what they say is right."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from shlex import quote

from imgpipe.adapters.machine_streams import MachineStream
from imgpipe.adapters.machines import Machines
from imgpipe.deploy.definitions import REPORT_PORT
from imgpipe.deploy.existing import ExistingMachine, Proven
from imgpipe.deploy.wanted import WantedMachine
from imgpipe.disclosure import one_line
from imgpipe.domain_spec import Accelerator
from imgpipe.emulated_boot import lateness
from imgpipe.errors import GuestError, HostError
from imgpipe.events import Listener, Note, Progress
from imgpipe.identity.compare import duplicates, faults
from imgpipe.identity.report import Report, ReportReader
from imgpipe.watch.boot import BOOT, NO_PROOF
from imgpipe.watch.classify import Asked, Classifier, Failed
from imgpipe.watch.console import LineDecoder

_POLL_SECONDS = 0.2
_STATE_SECONDS = 2.0
_CONSOLES_SHOWN = 5
_LINES_SHOWN = 12


def wait_until_up(
    wanted: Sequence[WantedMachine],
    machines: Machines,
    seconds: float,
    notify: Listener,
    accelerator: Accelerator = "kvm",
) -> dict[str, Report]:
    """Return what each machine's guest reports, once all are up and as they were asked for.

    What a machine proved is kept in its metadata. One whose boot failed is told of at once, and not waited for.
    Raises GuestError that names those that are not up when `seconds` are over or none is left to wait for, with what
    is wrong and their consoles' last lines, and those that share what must be unique.
    """
    watches = [_Watch(machine, machines, accelerator) for machine in wanted]
    try:
        _watch_all(watches, machines, time.monotonic() + seconds, notify)
    finally:
        for watch in watches:
            watch.close()
    reports = {watch.name: watch.report for watch in watches if watch.report}
    _require_unique(reports, wanted, machines)
    if late := [watch for watch in watches if not watch.up]:
        raise _not_up(late, len(watches), seconds)
    return reports


class _Watch:
    """One machine that is waited for: its report, and the end of its console should it not come."""

    def __init__(self, wanted: WantedMachine, machines: Machines, accelerator: Accelerator) -> None:
        self.name = wanted.name
        self.report: Report | None = None
        self.up = False
        self.over = False
        self.told_of = False
        self._wanted = wanted
        self._machines = machines
        self._accelerator = accelerator
        self._late_device: str | None = None
        self._port: MachineStream | None = None
        self._console: MachineStream | None = None
        self._lines = LineDecoder()
        self._classifier = Classifier(BOOT, NO_PROOF)
        self._reports = ReportReader()
        self._wrong: tuple[str, ...] = ("it reported nothing",)

    def look(self) -> bool:
        """Read what is new; return whether the machine has just come up."""
        if self._console:
            self._hear(self._console.read())
        data = self._port.read() if self._port else b""
        if not data:
            return False
        report = self._reports.hear(data)
        if report is None:
            return False
        self.report = report
        self._wrong = faults(self._wanted.identity, report)
        if not report.started:
            self._wrong = (*self._wrong, f"Its boot is not over ('{report.state}').")
        self.up = not self._wrong
        if self.up:
            self.close()
        return self.up

    def _hear(self, data: bytes) -> None:
        """Read the console: a boot that went wrong is not waited for."""
        for line in self._lines.feed(data):
            if self._late_device is None:
                self._late_device = self._classifier.late_device(line)
            meaning = self._classifier.read(line)
            if isinstance(meaning, Failed | Asked):
                self._end(meaning.reason)
        # A shell's prompt ends in no line break, and whoever waits at one says nothing else.
        if prompt := self._classifier.peek(self._lines.open_line):
            self._end(prompt.reason)

    def _end(self, reason: str) -> None:
        if self.over:
            return
        self.over = True
        late = () if self._late_device is None else (lateness(self._late_device, self._accelerator),)
        self._wrong = (" ".join((reason, *late)), *self._wrong)

    def connect(self, *, active: bool) -> None:
        """Open what is not open; a machine that is off is over."""
        if self.up or self.over:
            return
        if not active:
            # What it said last may say why.
            self._hear(self._console.read() if self._console else b"")
            self._end("It is off.")
            return
        if self._console is None or self._console.ended:
            self._console = self._machines.open_console(self.name)
        if self._port is None or self._port.ended:
            try:
                self._port = self._machines.open_port(self.name, REPORT_PORT)
            except HostError:
                # It ended just now, which the next look at all machines will say.
                self._port = None

    def close(self) -> None:
        """Let go of the machine."""
        for stream in (self._port, self._console):
            if stream:
                stream.close()
        self._port = self._console = None

    def told(self, *, console: bool) -> list[str]:
        """Return what is wrong, as lines."""
        lines = [f"{self.name}: {one_line(wrong)}" for wrong in self._wrong]
        last = [*self._lines.lines, *([self._lines.open_line] if self._lines.open_line else [])]
        return [*lines, *(f"  {line}" for line in last[-_LINES_SHOWN:])] if console else lines


def _watch_all(watches: Sequence[_Watch], machines: Machines, end: float, notify: Listener) -> None:
    up, next_state = 0, 0.0
    while time.monotonic() < end:
        if time.monotonic() >= next_state:
            next_state = time.monotonic() + _STATE_SECONDS
            # Again and again: what is told right behind something else may not have been shown.
            _tell(up, len(watches), notify)
            active = machines.active()
            for watch in watches:
                watch.connect(active=watch.name in active)
        for watch in [watch for watch in watches if not (watch.up or watch.over)]:
            if watch.look():
                _remember(watch, machines)
                up += 1
                _tell(up, len(watches), notify)
        _tell_of_failed(watches, notify)
        if all(watch.up or watch.over for watch in watches):
            return
        time.sleep(_POLL_SECONDS)


def _tell(up: int, total: int, notify: Listener) -> None:
    percent = 100 * up / total
    notify(Progress(stage="deploy", phase="machines come up", percent=percent, done=up, total=total, unit="machines"))


def _tell_of_failed(watches: Sequence[_Watch], notify: Listener) -> None:
    """Tell at once, and once, whose boot failed while others are waited for: what all come to is told at the end."""
    if all(watch.up or watch.over for watch in watches):
        return
    for watch in watches:
        if watch.over and not (watch.up or watch.told_of):
            watch.told_of = True
            first, *rest = watch.told(console=True)
            notify(Note(text=first, warning=True))
            for line in rest:
                notify(Note(text=line))


def _remember(watch: _Watch, machines: Machines) -> None:
    """Keep what the guest proved of itself, so that later machines are compared with it."""
    record = machines.find(watch.name).record
    report = watch.report
    if record and report:
        proven = Proven.by(report)
        if proven != record.proven or record.host_keys:
            machines.set_record(watch.name, replace(record, proven=proven, host_keys=()))


def _require_unique(reports: Mapping[str, Report], wanted: Iterable[WantedMachine], machines: Machines) -> None:
    """Compare guests with one another, and with what all other machines of ours said when they came up."""
    apart = {nic.mac.lower() for machine in wanted for nic in machine.identity.nics if nic.kind == "user"}
    others = {
        machine.name: known
        for machine in machines.list(sizes=False)
        if machine.name not in reports and (known := _known(machine))
    }
    alike = duplicates({**others, **reports}, apart=frozenset(apart))
    alike = tuple(line for line in alike if any(f"'{name}'" in line for name in reports))
    if alike:
        raise GuestError(
            "Machines share what only one may have.",
            hint="Make one of each anew with '--rebuild', and find out where the other got it from.",
            details=[one_line(line) for line in alike[:20]],
        )


def _known(machine: ExistingMachine) -> Report | None:
    """Return what a machine proved earlier as a report; its addresses may be others by now."""
    proven = machine.record.proven if machine.record else None
    if proven is None:
        return None
    return Report.model_construct(
        version=1,
        hostname=proven.hostname,
        machine_id=proven.machine_id,
        host_keys=proven.host_keys,
        nics=(),
        gateways=(),
        identity="",
        state="",
        failed=(),
        problems=(),
    )


def _not_up(late: Sequence[_Watch], total: int, seconds: float) -> GuestError:
    names = ", ".join(f"'{watch.name}'" for watch in late[:10]) + (" and others" if len(late) > 10 else "")
    details = [line for place, watch in enumerate(late) for line in watch.told(console=place < _CONSOLES_SHOWN)]
    if all(watch.over for watch in late):
        return GuestError(
            f"{len(late)} of {total} machines did not come up as asked: {names}.",
            hint=f"Look at it: 'imgpipe machines console {quote(late[0].name)}'; or destroy it and deploy it again.",
            details=details[:200],
        )
    return GuestError(
        f"{len(late)} of {total} machines did not come up as asked within {seconds:.0f} seconds: {names}.",
        hint=f"Look at it: 'imgpipe machines console {quote(late[0].name)}'; '--wait-seconds' gives more time.",
        details=details[:200],
    )
