"""The verify stage with a guest and a hypervisor that are played."""

import base64
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from imgpipe.adapters.records import Recorded
from imgpipe.artifacts import SealedDisk, SealedState
from imgpipe.domain_features import NEWEST, Features
from imgpipe.domain_spec import Accelerator
from imgpipe.errors import GuestError
from imgpipe.events import Event, Note, Progress
from imgpipe.machine_state import Activity, MachineState
from imgpipe.offline_edits import Step
from imgpipe.os_family import Check
from imgpipe.stages.verify import direct_io_cache, verify
from imgpipe.store import Store
from imgpipe.workplace import Workplace
from tiny_plan import tiny_plan

CHECKS = (Check(name="the door is shut", script="true"), Check(name="the light is off", script="true"))


class FakeMachine:
    destroyed = False

    def state(self) -> MachineState:
        return MachineState(situation="ended", ending="powered-off")

    def activity(self) -> Activity | None:
        return None

    def disk_errors(self) -> dict[str, str]:
        return {}

    def screenshot(self, path: Path) -> bool:
        return False

    def last_words(self) -> tuple[str, ...]:
        return ()

    def finish_records(self) -> None:
        """Nothing is left to come."""

    def destroy(self) -> None:
        self.destroyed = True


class FakeHypervisor:
    """Writes what the guest would print and report, then is switched off."""

    def __init__(self, console: bytes, report: bytes, accelerator: str = "kvm") -> None:
        self.console, self.report, self.with_ = console, report, accelerator
        self.machine = FakeMachine()
        self.xml = ""

    def accelerator(self, kernel: Path | None = None) -> str:
        return self.with_

    def features(self, accelerator: Accelerator) -> Features:
        return replace(NEWEST, accelerator=accelerator)

    def start_transient(self, xml: str, *, prepare: Callable[[], None], recorded: Recorded) -> FakeMachine:
        self.xml = xml
        prepare()
        ports = {target.get("name") for target in ET.fromstring(xml).iterfind("devices/channel[@type='unix']/target")}
        assert set(recorded.ports) <= ports
        assert recorded.console
        recorded.console.write_bytes(self.console)
        for path in recorded.ports.values():
            path.write_bytes(self.report)
        return self.machine


class FakeGuest:
    steps: tuple[Step, ...] = ()

    def apply(self, steps: tuple[Step, ...]) -> int:
        self.steps = steps
        return len(steps)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> FakeGuest:
    guest = FakeGuest()

    @contextmanager
    def open_disk(path: Path, **options: object) -> Iterator[FakeGuest]:
        assert path.name == "overlay.qcow2"
        yield guest

    monkeypatch.setattr("imgpipe.stages.verify.guest.open_disk", open_disk)
    monkeypatch.setattr("imgpipe.stages.verify.qemu_img.create_overlay", lambda path, backing: path.touch())
    monkeypatch.setattr("imgpipe.stages.watching._DRAIN_SECONDS", 0)
    return guest


@pytest.fixture
def sealed(tmp_path: Path) -> SealedDisk:
    path = tmp_path / "sealed.qcow2"
    path.write_bytes(b"sealed")
    state = SealedState(product="", distro="", version="", package_format="", operations=(), asserted=())
    return SealedDisk(path=path, folder=tmp_path, key="k1", state=state, seconds=1)


def report(*codes: int, end: bool = True) -> bytes:
    text = base64.b64encode(b"the light is ON").decode()
    lines = [f"check {index:04} {code} {text if code else ''}" for index, code in enumerate(codes)]
    said = "".join(f"{line}\n" for line in lines).encode()
    return said + (f"end {len(lines)} {hashlib.sha256(said).hexdigest()}\n".encode() if end else b"")


def run(
    sealed: SealedDisk, told: bytes, console: bytes = b"boot\r\n", accelerator: str = "kvm"
) -> tuple[object, FakeHypervisor, list[Event]]:
    heard: list[Event] = []
    hypervisor = FakeHypervisor(console, told, accelerator)
    place = Workplace(store=Store(sealed.folder), hypervisor=hypervisor, notify=heard.append)  # type: ignore[arg-type]
    try:
        return verify(replace(tiny_plan("good"), checks=CHECKS), sealed, place), hypervisor, heard
    except GuestError as error:
        return error, hypervisor, heard


def test_an_image_that_passes_every_check_is_verified_and_the_overlay_is_gone(opened: FakeGuest, sealed: SealedDisk):
    found, hypervisor, heard = run(sealed, report(0, 0))
    assert not isinstance(found, GuestError)
    assert [result.passed for result in found.results] == [True, True]
    assert found.sealed == sealed
    assert sealed.path.read_bytes() == b"sealed"
    assert not (sealed.folder / "verify-k1").exists()
    assert (sealed.folder / "verify-console.log").read_bytes() == b"boot\r\n"
    assert hypervisor.machine.destroyed
    assert [(event.done, event.total) for event in heard if isinstance(event, Progress)] == [(2, 2)]
    assert any(getattr(step, "path", "") == "/etc/imgpipe-verify/run" for step in opened.steps)


def test_every_failed_check_is_named_with_what_it_printed(opened: FakeGuest, sealed: SealedDisk):
    error, _, _ = run(sealed, report(1, 1))
    assert isinstance(error, GuestError)
    assert str(error) == "2 checks of the booted image failed: 'the door is shut', 'the light is off'."
    assert error.details.count("  the light is ON") == 2
    assert not (sealed.folder / "verify-k1").exists()


def test_an_image_that_reports_nothing_is_told_with_the_consoles_end(opened: FakeGuest, sealed: SealedDisk):
    error, hypervisor, _ = run(sealed, report(0, 0, end=False), b"Kernel panic - not syncing: no root\r\n")
    assert isinstance(error, GuestError)
    assert "did not get through its self-check" in str(error)
    assert "  Kernel panic - not syncing: no root" in error.details
    assert "verify-console.log" in error.hint
    assert hypervisor.machine.destroyed
    assert not (sealed.folder / "verify-k1").exists()


LATE = (
    b"[ TIME ] Timed out waiting for device /dev/disk/by-uuid/5ae1.\r\n"
    b"[DEPEND] Dependency failed for Local File Systems.\r\n"
    b"You are in emergency mode.\r\n"
)


def test_an_emulated_boot_without_its_disk_is_told_as_a_host_that_is_too_slow(opened: FakeGuest, sealed: SealedDisk):
    error, _, _ = run(sealed, b"", LATE, "tcg")
    assert isinstance(error, GuestError)
    assert "It fell into emergency mode. Its device '/dev/disk/by-uuid/5ae1' did not appear in time." in str(error)
    assert "The host was most likely too slow: it emulates, with a load of " in str(error)
    assert "Build again when the host is less busy, or where KVM works" in error.hint
    assert "verify-console.log" in error.hint


def test_under_kvm_the_missing_disk_is_named_and_no_slowness_is_claimed(opened: FakeGuest, sealed: SealedDisk):
    error, _, _ = run(sealed, b"", LATE)
    assert "Its device '/dev/disk/by-uuid/5ae1' did not appear in time." in str(error)
    assert "slow" not in str(error)


def test_emergency_mode_for_another_reason_is_not_told_as_slowness(opened: FakeGuest, sealed: SealedDisk):
    error, _, _ = run(sealed, b"", b"You are in emergency mode.\r\n", "tcg")
    assert "It fell into emergency mode." in str(error)
    assert "slow" not in str(error)


def test_the_overlay_alone_gets_longer_waits_where_machines_are_emulated(opened: FakeGuest, sealed: SealedDisk):
    run(sealed, report(0, 0), accelerator="tcg")
    waits = [step for step in opened.steps if "system.conf.d" in getattr(step, "path", "")]
    assert len(waits) == 1
    assert sealed.path.read_bytes() == b"sealed"
    run(sealed, report(0, 0))
    assert not [step for step in opened.steps if "system.conf.d" in getattr(step, "path", "")]


def test_the_verify_machine_has_the_recipes_nics_and_the_policys_cache(opened: FakeGuest, sealed: SealedDisk):
    _, hypervisor, heard = run(sealed, report(0, 0))
    domain = ET.fromstring(hypervisor.xml)
    assert len(domain.findall("devices/interface[@type='user']")) == 2
    driver = domain.find("devices/disk/driver")
    assert driver is not None
    fell_back = any(isinstance(event, Note) and "direct I/O" in event.text for event in heard)
    assert driver.get("cache") == ("writeback" if fell_back else "none")


def test_without_direct_io_none_becomes_writeback_and_that_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "disk"
    path.touch()
    heard: list[Event] = []
    assert direct_io_cache(path, "unsafe", heard.append) == "unsafe"
    assert heard == []

    def refuse(*_arguments: object) -> int:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(os, "open", refuse)
    assert direct_io_cache(path, "none", heard.append) == "writeback"
    assert [note.warning for note in heard if isinstance(note, Note)] == [True]
