"""The install stage: run the installer, watched, to its proven end.

An install is named by what shapes it; `installed.qcow2` in its folder exists only when the installer proved that it
finished and switched the machine off, and is used again for as long as nothing of it changes.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from imgpipe.adapters import qemu_img
from imgpipe.adapters.hypervisor import Hypervisor
from imgpipe.adapters.machine import RunningMachine
from imgpipe.artifacts import InstalledDisk, Medium, SeedMedia
from imgpipe.domain_spec import DomainSpec
from imgpipe.domain_xml import domain_xml
from imgpipe.domains import CONSOLE, INSTALL_DISK, INSTALLER_LOG, install_domain
from imgpipe.errors import HostError
from imgpipe.events import Note
from imgpipe.machine_state import Activity
from imgpipe.os_family import CdBoot
from imgpipe.plan import Plan
from imgpipe.provenance import RECORD, InstallRecord, medium_record, read_record, write_record
from imgpipe.sizes import GIB, show_bytes
from imgpipe.stages.following import FollowedFile
from imgpipe.stages.keys import KeyPresser
from imgpipe.stages.watching import Teller, Watch, ended_by_sigterm, failed
from imgpipe.store import finished_file, lock
from imgpipe.watch.classify import Classifier
from imgpipe.watch.silence import Patience, patience
from imgpipe.watch.verdict import Failure, Judge
from imgpipe.workplace import Workplace

_SCREENSHOT = "screenshot.png"
_LEAST_SPACE = 3 * GIB


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
    with lock(folder / "install.lock", lambda holder: workplace.notify(Note(text=f"Waiting for {holder}."))):
        reused = (folder / INSTALL_DISK).exists()
        if not reused:
            accelerator = workplace.hypervisor.accelerator(seed.kernel)
            run = _Installation(plan, install_domain(plan, medium, seed, folder, accelerator), folder, workplace)
            known = InstallRecord(
                system=plan.system.name,
                medium=medium_record(medium),
                answer_files=dict(seed.digests),
                accelerator=accelerator,
                tools=workplace.hypervisor.versions(),
            )
            with ended_by_sigterm():
                run.to_its_end(borne, known)
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
        self._tell = Teller("install", workplace.notify)
        self._console = FollowedFile(folder / CONSOLE)
        self._log = FollowedFile(folder / INSTALLER_LOG) if spec.channels else None

    def to_its_end(self, borne: Patience, known: InstallRecord) -> None:
        """Install; leave the finished disk with its record, or nothing but logs and a screenshot."""
        require_space(self._folder, min(self._plan.machine.disk, _LEAST_SPACE))
        for leftover in (_SCREENSHOT, RECORD):
            (self._folder / leftover).unlink(missing_ok=True)
        xml = domain_xml(self._spec)
        _write_private(self._folder / "domain.xml", xml)
        started = time.monotonic()
        with finished_file(self._folder / INSTALL_DISK) as partial:
            machine = self._hypervisor.start_transient(xml, prepare=lambda: self._prepare(partial))
            try:
                self._watch(machine, borne)
            finally:
                self._close()
                machine.destroy()
            seconds = round(time.monotonic() - started, 1)
            write_record(self._folder, replace(known, seconds=seconds, phases=self._tell.phases))

    def _prepare(self, partial: Path) -> None:
        partial.unlink(missing_ok=True)
        qemu_img.create(partial, self._plan.machine.disk)
        self._console.prepare()
        if self._log:
            self._log.prepare()

    def _close(self) -> None:
        self._console.close()
        if self._log:
            self._log.close()

    def _watch(self, machine: RunningMachine, borne: Patience) -> None:
        boot = self._plan.unattended.boot
        classifier = Classifier(self._plan.unattended.console, self._plan.unattended.proof)
        judge = Judge(time.monotonic(), classifier, borne, reboots_allowed=isinstance(boot, CdBoot))
        press: Callable[[Activity | None], bool] = _no_keys
        if isinstance(boot, CdBoot) and boot.keys:
            press = KeyPresser(machine, boot.keys, speaks=lambda: bool(self._tell.phases))
        verdict = Watch(machine, judge, self._console, self._log).until_verdict(self._tell, press)
        if isinstance(verdict, Failure):
            pictured = machine.screenshot(self._folder / _SCREENSHOT)
            files = f"'{CONSOLE}'{f' and {_SCREENSHOT!r}' if pictured else ''} in '{self._folder}'"
            raise failed(verdict, judge, hint=f"Look at {files}.")


def require_space(folder: Path, needed: int) -> None:
    """Raise HostError unless the file system of `folder` has `needed` bytes free."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise HostError(
            f"Only {show_bytes(free)} are free in '{folder}', and at least {show_bytes(needed)} are needed.",
            hint="Make room there, or put imgpipe's data elsewhere with IMGPIPE_HOME.",
        )


def _no_keys(_activity: Activity | None) -> bool:
    return False


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)
