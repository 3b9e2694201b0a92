"""Real machines, real libvirt, and an installer of three megabytes that fails in every way we know."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

import private_libvirt
import tiny_guest
from imgpipe.adapters import qemu_img
from imgpipe.adapters.hypervisor import connect
from imgpipe.artifacts import InstalledDisk
from imgpipe.errors import GuestError, HostError, ImgpipeError
from imgpipe.events import Event, Progress
from imgpipe.sizes import MIB
from imgpipe.stages.install import estimate_s, install_patiently
from imgpipe.store import Store
from imgpipe.watch.silence import Patience, patience
from imgpipe.workplace import Workplace
from private_libvirt import PrivateLibvirt
from tiny_plan import tiny_medium, tiny_plan, tiny_seed

LACKING = private_libvirt.lacking() or tiny_guest.lacking()
pytestmark = [pytest.mark.vm, pytest.mark.skipif(bool(LACKING), reason=LACKING)]

BOUND_SECONDS = 10
"""What the project promises: from the line that shows a failure to the end of the build."""


class Site:
    """A store, a daemon and a listener of one test."""

    def __init__(self, daemon: PrivateLibvirt, folder: Path) -> None:
        self.daemon = daemon
        self.folder = folder
        self.heard: list[Event] = []
        self.store = Store(folder / "data")
        self.patience = replace(patience("tcg"), idle_s=20)

    def install(self, act: str, *, disk: int = 64 * MIB, patience: Patience | None = None) -> InstalledDisk:
        hypervisor = connect(self.daemon.uri, self.heard.append)
        place = Workplace(store=self.store, hypervisor=hypervisor, notify=self.heard.append)
        plan = tiny_plan(act, disk=disk)
        seed = tiny_seed(self.folder, act)
        try:
            return install_patiently(plan, tiny_medium(self.folder), seed, place, patience or self.patience)
        finally:
            hypervisor.close()

    def work(self, act: str, disk: int = 64 * MIB) -> Path:
        return self.store.work(tiny_plan(act, disk=disk).install_key("0" * 64))

    def assert_nothing_is_left(self, act: str, disk: int = 64 * MIB) -> None:
        names = {path.name for path in self.work(act, disk).iterdir()}
        assert not {"installed.qcow2", "installed.qcow2.partial"} & names
        assert self.daemon.machines() == []


class FirstSeen(threading.Thread):
    """Notes when a text first shows in a file, as an observer of its own."""

    def __init__(self, path: Path, text: bytes) -> None:
        super().__init__(daemon=True)
        self._path, self._text = path, text
        self._end = threading.Event()
        self.at: float | None = None

    def run(self) -> None:
        while self.at is None and not self._end.wait(0.05):
            if self._path.is_file() and self._text in self._path.read_bytes():
                self.at = time.monotonic()

    def stop(self) -> None:
        self._end.set()
        self.join()


@pytest.fixture(scope="module")
def daemon() -> Iterator[PrivateLibvirt]:
    with private_libvirt.private_libvirt() as running:
        yield running


@pytest.fixture(autouse=True)
def emulate(monkeypatch: pytest.MonkeyPatch) -> None:
    # The bound of ten seconds is the project's own work, which an accelerator changes nothing of.
    monkeypatch.setenv("IMGPIPE_ACCELERATOR", os.environ.get("IMGPIPE_ACCELERATOR", "tcg"))


@pytest.fixture
def site(daemon: PrivateLibvirt) -> Iterator[Site]:
    # Not tmp_path, whose parents QEMU's user may not pass through.
    with tempfile.TemporaryDirectory(prefix="lw-", dir=daemon.folder) as name:
        Path(name).chmod(0o755)
        yield Site(daemon, Path(name))


def test_an_install_ends_with_a_disk_a_record_and_its_phases_and_is_used_again(site: Site) -> None:
    disk = site.install("good")

    assert disk.path.name == "installed.qcow2"
    assert qemu_img.info(disk.path).virtual_size == 64 * MIB
    record = json.loads((disk.folder / "install.json").read_text())
    assert record["system"] == "tiny"
    assert disk.seconds == record["seconds"] > 0
    told = [event for event in site.heard if isinstance(event, Progress)]
    assert [event.phase for event in told][:2] == ["the installer starts", "the disk is laid out"]
    assert (told[-1].done, told[-1].total) in {(1, 2), (2, 2)}
    assert "the log channel works" in (disk.folder / "installer.log").read_text()
    assert {path.name for path in disk.folder.iterdir()} >= {"console.log", "domain.xml"}
    assert estimate_s(site.store, "tiny", record["accelerator"]) == record["seconds"]
    assert site.daemon.machines() == []

    before = disk.path.stat().st_mtime_ns
    assert site.install("good") == disk
    assert disk.path.stat().st_mtime_ns == before


FAILURES = (
    ("panic", b"Kernel panic", "The guest's kernel panicked: sysrq triggered crash"),
    ("emergency", b"Entering emergency", "The installer fell into emergency mode."),
    ("failure", b"TINY INSTALL FAILED", "The answer file's own failure mark was reached."),
    ("question", b"Please make a selection", "The installer asks a question."),
    ("no-proof", b"Power down", "The machine switched itself off before the installation had finished."),
    (
        "reboot",
        b"Restarting system",
        "The installation finished, but the machine rebooted instead of switching itself off.",
    ),
    ("reboot-no-proof", b"Restarting system", "The machine rebooted before the installation had finished."),
)


@pytest.mark.parametrize(("act", "shows", "reason"), FAILURES, ids=[case[0] for case in FAILURES])
def test_a_failure_ends_the_build_within_ten_seconds_of_showing(
    site: Site, act: str, shows: bytes, reason: str
) -> None:
    observer = FirstSeen(site.work(act) / "console.log", shows)
    observer.start()
    with pytest.raises(GuestError) as raised:
        site.install(act)
    ended = time.monotonic()
    observer.stop()

    assert str(raised.value).startswith(reason)
    assert observer.at is not None
    assert ended - observer.at < BOUND_SECONDS
    assert str(site.work(act)) in raised.value.hint
    assert any("Installing busybox" in line or "panic" in line for line in raised.value.details)
    site.assert_nothing_is_left(act)


def test_a_failure_in_the_installers_log_ends_the_build_with_a_screenshot(site: Site) -> None:
    observer = FirstSeen(site.work("log-trouble") / "installer.log", b"storage configuration failed")
    observer.start()
    with pytest.raises(GuestError, match="The disk cannot be laid out: no disks"):
        site.install("log-trouble")
    ended = time.monotonic()
    observer.stop()

    assert observer.at is not None
    assert ended - observer.at < BOUND_SECONDS
    with Image.open(site.work("log-trouble") / "screenshot.png") as picture:
        assert picture.format == "PNG"
        assert picture.width >= 640
    site.assert_nothing_is_left("log-trouble")


def test_a_machine_that_does_nothing_is_given_up(site: Site) -> None:
    with pytest.raises(GuestError, match=r"The machine has done nothing for \d+ seconds"):
        site.install("silent")
    site.assert_nothing_is_left("silent")


def test_a_console_full_of_noise_is_read_to_the_proof_and_nothing_of_it_is_told(site: Site) -> None:
    assert site.install("noise").path.exists()
    told = "".join(event.phase for event in site.heard if isinstance(event, Progress))
    assert told.isprintable()


def test_a_full_host_is_told_as_the_hosts_fault(site: Site) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    work = site.work("full", 512 * MIB)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=700m,mode=711", "none", work], check=True)
    # QEMU must see the mount that was made after its daemon's namespace was.
    site.daemon.kill()
    site.daemon.start()
    filler = threading.Thread(target=_fill_once_started, args=(work,), daemon=True)
    filler.start()
    try:
        with pytest.raises(HostError, match="The host ran out of space"):
            site.install("full", disk=512 * MIB)
        site.assert_nothing_is_left("full", 512 * MIB)
    finally:
        filler.join(timeout=60)
        subprocess.run(["umount", work], check=True)


def _fill_once_started(work: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and not (work / "console.log").is_file():
        time.sleep(0.1)
    with (work / "filler").open("wb") as file:
        free = shutil.disk_usage(work).free
        file.write(bytes(max(0, free - 40 * MIB)))


def test_an_install_does_not_begin_without_room(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgpipe.stages.install._LEAST_SPACE", 2**60)
    with pytest.raises(HostError, match="are needed"):
        site.install("good", disk=2**59)
    assert site.daemon.machines() == []
    assert not (site.work("good", 2**59) / "console.log").exists()


def test_two_installs_of_the_same_inputs_run_one_after_the_other(site: Site) -> None:
    disks: list[InstalledDisk] = []
    threads = [threading.Thread(target=lambda: disks.append(site.install("good"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=300)
    assert len(disks) == 2
    assert disks[0] == disks[1]


@pytest.fixture
def child(site: Site) -> Iterator[multiprocessing.Process]:
    """A process of its own that installs, and is at work."""
    process = multiprocessing.get_context("spawn").Process(
        target=_install_in_child, args=(site.daemon.uri, str(site.folder))
    )
    process.start()
    console = site.work("work") / "console.log"
    end = time.monotonic() + 120
    while time.monotonic() < end and not (console.is_file() and b"busybox" in console.read_bytes()):
        assert process.is_alive()
        time.sleep(0.1)
    assert site.daemon.machines()
    yield process
    if process.is_alive():
        process.kill()
    process.join()


def _install_in_child(uri: str, folder: str) -> None:
    store = Store(Path(folder) / "data")
    place = Workplace(store=store, hypervisor=connect(uri, _unheard), notify=_unheard)
    seed = tiny_seed(Path(folder), "work")
    install_patiently(tiny_plan("work"), tiny_medium(Path(folder)), seed, place, patience("tcg"))


def _unheard(_event: Event) -> None:
    pass


def _wait_until_no_machine(site: Site) -> None:
    end = time.monotonic() + 30
    while site.daemon.machines() and time.monotonic() < end:
        time.sleep(0.1)


def test_a_killed_build_leaves_no_machine_and_nothing_that_looks_finished(
    site: Site, child: multiprocessing.Process
) -> None:
    child.kill()
    child.join()
    _wait_until_no_machine(site)
    assert site.daemon.machines() == []
    assert not (site.work("work") / "installed.qcow2").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_build_ends_its_machine_and_removes_the_partial_disk(
    site: Site, child: multiprocessing.Process, number: signal.Signals
) -> None:
    assert child.pid
    os.kill(child.pid, number)
    child.join(timeout=60)
    assert child.exitcode not in {None, 0}
    site.assert_nothing_is_left("work")


def test_a_dead_daemon_is_told_at_once_and_its_machine_is_named(site: Site) -> None:
    console = site.work("work") / "console.log"
    failure: list[tuple[float, ImgpipeError]] = []

    def run() -> None:
        try:
            site.install("work")
        except ImgpipeError as error:
            failure.append((time.monotonic(), error))

    observer = FirstSeen(console, b"busybox")
    observer.start()
    thread = threading.Thread(target=run)
    thread.start()
    while observer.at is None and thread.is_alive():
        time.sleep(0.1)
    killed = time.monotonic()
    site.daemon.kill()
    thread.join(timeout=60)
    observer.stop()

    ((ended, error),) = failure
    assert isinstance(error, HostError)
    assert ended - killed < BOUND_SECONDS
    assert "daemon" in str(error)
    assert "imgpipe-install-" in str(error) + error.hint
    assert not (site.work("work") / "installed.qcow2").exists()

    # The next install finds the leftover of the dead daemon and ends it, before it touches its disk.
    site.daemon.start()
    assert len(site.daemon.machines()) == 1
    with pytest.raises(GuestError):
        site.install("work", patience=replace(site.patience, whole_s=1))
    assert site.daemon.machines() == []


def test_a_daemon_that_no_longer_answers_is_told_and_not_waited_for(site: Site) -> None:
    console = site.work("work") / "console.log"
    failure: list[ImgpipeError] = []

    def run() -> None:
        try:
            site.install("work")
        except ImgpipeError as error:
            failure.append(error)

    observer = FirstSeen(console, b"busybox")
    observer.start()
    thread = threading.Thread(target=run)
    thread.start()
    while observer.at is None and thread.is_alive():
        time.sleep(0.1)
    site.daemon.freeze()
    thread.join(timeout=120)
    observer.stop()
    site.daemon.stop()
    site.daemon.start()

    (error,) = failure
    assert isinstance(error, HostError)
    assert "daemon" in str(error)
    assert not (site.work("work") / "installed.qcow2").exists()
