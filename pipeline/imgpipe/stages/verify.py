"""The verify stage: boot a throwaway overlay of the sealed disk and let the guest judge itself.

The sealed disk stays sealed: all that the boot writes is in the overlay, which is removed.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imgpipe.adapters import guest, qemu_img
from imgpipe.adapters.machine import RunningMachine
from imgpipe.adapters.records import Recorded
from imgpipe.artifacts import CheckResult, SealedDisk, VerifiedDisk
from imgpipe.domain_spec import Accelerator, DomainDisk
from imgpipe.domain_xml import domain_xml
from imgpipe.domains import CONSOLE, REPORT, verify_domain
from imgpipe.errors import GuestError, HostError
from imgpipe.events import Listener, Note, Progress
from imgpipe.host.room import LEAST_VERIFY, require_space
from imgpipe.machine_state import Activity
from imgpipe.os_family import CacheMode
from imgpipe.plan import Plan
from imgpipe.stages import self_sealed
from imgpipe.stages.following import FollowedFile
from imgpipe.stages.second_try import Stray, with_second_try
from imgpipe.stages.verify_guest import steps
from imgpipe.stages.verify_report import Report, ReportReader
from imgpipe.stages.watching import Teller, Watch, ended_by_sigterm, failed
from imgpipe.store import lock
from imgpipe.watch.boot import BOOT, NO_PROOF
from imgpipe.watch.classify import Classifier
from imgpipe.watch.silence import Patience
from imgpipe.watch.verdict import Failure, Judge
from imgpipe.workplace import Workplace

_KEPT = {
    CONSOLE: "verify-console.log",
    "appliance.log": "verify-appliance.log",
    "screenshot.png": "verify-screenshot.png",
}
_LINES_SHOWN = 12
_PIECES_AT_ONCE = 8


def verify(plan: Plan, disk: SealedDisk, workplace: Workplace) -> VerifiedDisk:
    """Return the disk as verified, if its throwaway clone boots and every check passes.

    The first boot of a system that sealed itself is a clone's own: it is not booted, but read once more as it is.
    Raises GuestError that names each failed check with what it printed, or with the console's end where the guest
    reported nothing; HostError if the host fails.
    """
    started = time.monotonic()
    accelerator = workplace.hypervisor.accelerator()
    if sealing := plan.unattended.sealing:
        log = disk.folder / _KEPT["appliance.log"]
        found = self_sealed.judged(plan, sealing, disk.path, accelerator, log)
        results = tuple(CheckResult(name=sentence, passed=True) for sentence in found.asserted)
        return VerifiedDisk(sealed=disk, results=results, facts=found.state, seconds=time.monotonic() - started)
    require_space(disk.folder, LEAST_VERIFY)
    held = workplace.store.lock_file(f"work-{disk.folder.name}-verify-{disk.key}")
    with (
        lock(held, lambda holder: workplace.notify(Note(text=f"Waiting for {holder}."))),
        ended_by_sigterm(),
    ):
        report = with_second_try(lambda: _boot(plan, disk, workplace, accelerator), workplace.notify)
    _require_passed(report.results, disk.folder)
    return VerifiedDisk(sealed=disk, results=report.results, facts=report.facts, seconds=time.monotonic() - started)


def _boot(plan: Plan, disk: SealedDisk, workplace: Workplace, accelerator: Accelerator) -> Report:
    with _throwaway_folder(disk) as folder:
        return _Boot(plan, folder, workplace, accelerator).of(disk)


def direct_io_cache(path: Path, wanted: CacheMode, notify: Listener) -> CacheMode:
    """Return `wanted`, or writeback where it needs O_DIRECT and the file system of `path` has none."""
    if wanted not in {"none", "directsync"}:
        return wanted
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_DIRECT))
    except OSError:
        notify(
            Note(
                text=f"The file system of '{path.parent}' has no direct I/O: verified with cache mode 'writeback' "
                f"instead of '{wanted}'.",
                warning=True,
            )
        )
        return "writeback"
    return wanted


def verify_patience(accelerator: Accelerator) -> Patience:
    """Return how long a boot and its checks may take; a boot waits 90 s for a device, and 120 s for a network."""
    if accelerator == "kvm":
        return Patience(idle_s=180, question_s=5, busy_s=900, whole_s=3600, idle_cpu=0.03)
    return Patience(idle_s=300, question_s=10, busy_s=3600, whole_s=4 * 3600, idle_cpu=0.10)


class _Boot:
    """One boot of a throwaway overlay."""

    def __init__(self, plan: Plan, folder: Path, workplace: Workplace, accelerator: Accelerator) -> None:
        self._plan = plan
        self._folder = folder
        self._workplace = workplace
        self._accelerator = accelerator
        self._console = FollowedFile(folder / CONSOLE)
        self._report = FollowedFile(folder / REPORT)
        self._told = ReportReader(plan.checks)
        self._done = 0

    def of(self, disk: SealedDisk) -> Report:
        """Boot an overlay of `disk` to its complete report."""
        overlay = self._folder / "overlay.qcow2"
        qemu_img.create_overlay(overlay, disk.path)
        log = self._folder / "appliance.log"
        with guest.open_disk(overlay, accelerator=self._accelerator, log=log) as opened:
            opened.apply(steps(self._plan.checks, self._accelerator))
        cache = direct_io_cache(overlay, self._plan.cache, self._workplace.notify)
        domain_disk = DomainDisk(path=overlay, cache=cache, stop_on_error=True)
        spec = verify_domain(self._plan, domain_disk, self._folder, self._accelerator)
        recorded = Recorded(console=self._folder / CONSOLE, ports=dict.fromkeys(spec.ports, self._folder / REPORT))
        hypervisor = self._workplace.hypervisor
        xml = domain_xml(spec, hypervisor.features(self._accelerator))
        machine = hypervisor.start_transient(xml, prepare=self._prepare, recorded=recorded)
        try:
            self._watch(machine, disk.folder)
        finally:
            self._console.close()
            self._report.close()
            machine.destroy()
        report = self._told.report()
        if not report.whole:
            raise HostError(
                "The self-check's report was damaged on its way from the guest.",
                hint="Run the build again: it goes on from the sealed disk.",
            )
        return report

    def _prepare(self) -> None:
        self._console.prepare()
        self._report.prepare()

    def _watch(self, machine: RunningMachine, kept: Path) -> None:
        judge = Judge(
            time.monotonic(),
            Classifier(BOOT, NO_PROOF),
            verify_patience(self._accelerator),
            reboots_allowed=True,
            work="self-check",
        )
        tell = Teller("verify", self._workplace.notify)
        verdict = Watch(machine, judge, self._console, None).until_verdict(tell, self._hear)
        if isinstance(verdict, Failure):
            machine.screenshot(self._folder / "screenshot.png")
            hint = f"Look at '{_KEPT[CONSOLE]}' in '{kept}'."
            error = failed(verdict, judge, machine, hint=hint, accelerator=self._accelerator)
            if isinstance(error, GuestError):
                text = f"A clone of the image did not get through its self-check: {error}"
                error = GuestError(text, hint=error.hint, details=error.details)
            raise Stray(error) if verdict.stray else error

    def _hear(self, _activity: Activity | None) -> bool:
        """Read what the guest reports; tell how many checks are done and return whether it got to the end."""
        # At most so much at one look: the watch must go on however much a guest says.
        for _ in range(_PIECES_AT_ONCE):
            if not (part := self._report.read()):
                break
            self._told.feed(part)
        checks = self._plan.checks
        report = self._told.report()
        if report.reported > self._done:
            self._done = report.reported
            percent = 50 + 50 * report.reported / len(checks)
            self._workplace.notify(
                Progress(
                    stage="verify",
                    phase="the guest checks itself",
                    percent=percent,
                    done=report.reported,
                    total=len(checks),
                    unit="checks",
                )
            )
        return report.complete


def _require_passed(results: tuple[CheckResult, ...], folder: Path) -> None:
    wrong = [result for result in results if not result.passed]
    if not wrong:
        return
    names = ", ".join(f"'{result.name}'" for result in wrong)
    details: list[str] = []
    for result in wrong:
        lines = result.output.splitlines() or ["(it printed nothing)"]
        details += [f"{result.name}:", *(f"  {line}" for line in lines[-_LINES_SHOWN:])]
    count = "A check" if len(wrong) == 1 else f"{len(wrong)} checks"
    raise GuestError(
        f"{count} of the booted image failed: {names}.",
        hint=f"Mend the recipe, or look at '{_KEPT[CONSOLE]}' in '{folder}'.",
        details=details,
    )


@contextmanager
def _throwaway_folder(disk: SealedDisk) -> Iterator[Path]:
    """Make a folder for one boot; afterwards only its logs are left, beside the disk."""
    folder = disk.folder / f"verify-{disk.key}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    # QEMU's user passes through, and nobody may list it.
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        for name, kept in _KEPT.items():
            if (folder / name).exists():
                (folder / name).replace(disk.folder / kept)
        shutil.rmtree(folder, ignore_errors=True)
