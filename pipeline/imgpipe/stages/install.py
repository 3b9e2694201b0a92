"""The install stage: run the installer, watched, to its proven end.

A machine that its guest resets ends there, as if it had switched itself off, and is judged by the same proof: an answer
file may end with a reboot. An install is named by what shapes it; `installed.qcow2` in its folder exists only when the
installer proved that it finished and the machine ended by itself, and is used again for as long as nothing of it
changes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from imgpipe.adapters import qemu_img
from imgpipe.adapters.hypervisor import Hypervisor
from imgpipe.adapters.machine import RunningMachine
from imgpipe.adapters.records import Recorded
from imgpipe.artifacts import InstalledDisk, Medium, SeedMedia
from imgpipe.domain_spec import DomainSpec
from imgpipe.domain_xml import domain_xml
from imgpipe.domains import CONSOLE, INSTALL_DISK, INSTALLER_LOG, install_domain
from imgpipe.errors import GuestError
from imgpipe.events import Note, Progress
from imgpipe.host.room import LEAST_INSTALL, require_space
from imgpipe.machine_state import Activity
from imgpipe.os_family import CdBoot
from imgpipe.own_files import is_own, write_new
from imgpipe.plan import Plan
from imgpipe.provenance import RECORD, InstallRecord, medium_record, read_record, write_record
from imgpipe.stages import self_sealed
from imgpipe.stages.following import FollowedFile
from imgpipe.stages.keys import KeyPresser
from imgpipe.stages.pictures import FOLDER as SCREENS
from imgpipe.stages.pictures import Pictures
from imgpipe.stages.second_try import Stray, with_second_try
from imgpipe.stages.watching import Teller, Watch, ended_by_sigterm, failed
from imgpipe.store import finished_file, lock
from imgpipe.watch.classify import Classifier, Reached
from imgpipe.watch.silence import Patience, patience
from imgpipe.watch.verdict import Failure, Judge
from imgpipe.workplace import Workplace

_SCREENSHOT = "screenshot.png"
_DISK_LOG = "proof-appliance.log"


def install(plan: Plan, medium: Medium, seed: SeedMedia, workplace: Workplace) -> InstalledDisk:
    """Return the installed disk, by installing it or from an earlier install of the same inputs.

    Raises GuestError with the console's end if the installer fails, HostError if the host does.
    """
    accelerator = workplace.hypervisor.accelerator(seed.kernel)
    return install_patiently(plan, medium, seed, workplace, patience(accelerator))


def install_patiently(
    plan: Plan, medium: Medium, seed: SeedMedia, workplace: Workplace, borne: Patience
) -> InstalledDisk:
    """Install as `install` does, with another measure of how long what is borne."""
    key = plan.install_key(medium.digest)
    folder = workplace.store.work(key)
    held = workplace.store.lock_file(f"work-{folder.name}-install")
    with lock(held, lambda holder: workplace.notify(Note(text=f"Waiting for {holder}."))):
        reused = is_own(folder / INSTALL_DISK)
        if not reused:
            accelerator = workplace.hypervisor.accelerator(seed.kernel)
            spec = install_domain(plan, medium, seed, folder, accelerator)
            known = InstallRecord(
                system=plan.system.name,
                medium=medium_record(medium),
                answer_files=dict(seed.digests),
                accelerator=accelerator,
                tools=workplace.hypervisor.versions(),
            )
            with ended_by_sigterm():
                with_second_try(
                    lambda: _Installation(plan, spec, folder, workplace).to_its_end(borne, known), workplace.notify
                )
    record = read_record(folder) or InstallRecord()
    path = folder / INSTALL_DISK
    return InstalledDisk(path=path, folder=folder, key=key, seconds=record.seconds or 0.0, reused=reused)


class _Installation:
    """One run of an installer in a machine of its own."""

    def __init__(self, plan: Plan, spec: DomainSpec, folder: Path, workplace: Workplace) -> None:
        self._plan = plan
        self._spec = spec
        self._folder = folder
        self._hypervisor: Hypervisor = workplace.hypervisor
        self._notify = workplace.notify
        self._tell = Teller("install", workplace.notify)
        self._console = FollowedFile(folder / CONSOLE)
        self._log = FollowedFile(folder / INSTALLER_LOG) if spec.ports else None

    def to_its_end(self, borne: Patience, known: InstallRecord) -> None:
        """Install; leave the finished disk with its record, or nothing but logs and a screenshot."""
        require_space(self._folder, min(self._plan.machine.disk, LEAST_INSTALL))
        for leftover in (_SCREENSHOT, RECORD):
            (self._folder / leftover).unlink(missing_ok=True)
        xml = domain_xml(self._spec, self._hypervisor.features(self._spec.accelerator))
        _write_private(self._folder / "domain.xml", xml)
        started = time.monotonic()
        with finished_file(self._folder / INSTALL_DISK) as partial:
            machine = self._hypervisor.start_transient(
                xml, prepare=lambda: self._prepare(partial), recorded=self._recorded()
            )
            try:
                self._watch(machine, borne)
            except GuestError as error:
                machine.destroy()
                raise self._with_logs(error, partial) from error
            finally:
                self._close()
                machine.destroy()
            self._require_sealed(partial)
            seconds = round(time.monotonic() - started, 1)
            write_record(self._folder, replace(known, seconds=seconds, phases=self._tell.phases))

    def _with_logs(self, error: GuestError, disk: Path) -> GuestError:
        """Add to a failure what the logs on the disk tell, for a system that keeps its own there."""
        sealing = self._plan.unattended.sealing
        if sealing is None:
            return error
        self._tell_phase("Reading the logs on the disk")
        told = self_sealed.why(self._plan, sealing, disk, self._hypervisor.accelerator(), self._folder / _DISK_LOG)
        seen = (f"seen: {error}",) if told.reason else ()
        return GuestError(told.reason or str(error), hint=error.hint, details=(*seen, *told.lines, *error.details))

    def _require_sealed(self, disk: Path) -> None:
        """Raise GuestError where power-off was all that a system which seals itself has to show."""
        sealing = self._plan.unattended.sealing
        if sealing:
            self._tell_phase("Reading the proof on the disk")
            accelerator = self._hypervisor.accelerator()
            self_sealed.judged(self._plan, sealing, disk, accelerator, self._folder / _DISK_LOG)

    def _telling_first(self, machine: RunningMachine) -> Callable[[Reached], None]:
        """Return what tells progress, and lets the machine end at resets as soon as an installer shows that it runs."""

        def tell(reached: Reached) -> None:
            if not self._tell.phases:
                machine.end_at_reset()
            self._tell(reached)

        return tell

    def _tell_phase(self, phase: str) -> None:
        self._notify(Progress(stage="install", phase=phase, percent=99))

    def _prepare(self, partial: Path) -> None:
        partial.unlink(missing_ok=True)
        qemu_img.create(partial, self._plan.machine.disk)
        self._console.prepare()
        if self._log:
            self._log.prepare()

    def _recorded(self) -> Recorded:
        logs = dict.fromkeys(self._spec.ports, self._folder / INSTALLER_LOG)
        return Recorded(console=self._folder / CONSOLE, ports=logs)

    def _close(self) -> None:
        self._console.close()
        if self._log:
            self._log.close()

    def _watch(self, machine: RunningMachine, borne: Patience) -> None:
        boot = self._plan.unattended.boot
        classifier = Classifier(self._plan.unattended.console, self._plan.unattended.proof)
        judge = Judge(
            time.monotonic(),
            classifier,
            borne,
            reboots_allowed=isinstance(boot, CdBoot),
            proof_on_disk=self._plan.unattended.sealing is not None,
        )
        each: list[Callable[[Activity | None], bool]] = []
        if isinstance(boot, CdBoot) and boot.keys:
            each.append(KeyPresser(machine, boot.keys, speaks=lambda: bool(self._tell.phases)))
        if self._plan.unattended.sealing:
            each.append(Pictures(machine.screenshot, self._folder, time.monotonic).look)
        watch = Watch(machine, judge, self._console, self._log)
        tell = self._tell if isinstance(boot, CdBoot) or self._spec.ends_at_reset else self._telling_first(machine)
        verdict = watch.until_verdict(tell, lambda activity: True in [one(activity) for one in each])
        if isinstance(verdict, Failure):
            pictured = machine.screenshot(self._folder / _SCREENSHOT)
            files = f"'{CONSOLE}'{f' and {_SCREENSHOT!r}' if pictured else ''} in '{self._folder}'"
            if any(self._folder.glob(f"{SCREENS}/*.png")):
                files += f", and at each minute's picture in its '{SCREENS}'"
            error = failed(
                verdict, judge, machine, hint=f"Look at {files}.", accelerator=self._hypervisor.accelerator()
            )
            raise Stray(error) if verdict.stray else error


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    write_new(path, text, 0o600)
