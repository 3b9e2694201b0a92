"""Builds that are killed, interrupted or lose their daemon leave no machine and nothing that looks finished."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from imgpipe.adapters.hypervisor import connect
from imgpipe.artifacts import InstalledDisk
from imgpipe.errors import GuestError, HostError, ImgpipeError
from imgpipe.events import Event, Note
from imgpipe.stages.install import install_patiently
from imgpipe.store import Store
from imgpipe.watch.silence import patience
from imgpipe.workplace import Workplace
from install_site import BOUND_SECONDS, LACKING, FirstSeen, Site
from tiny_plan import tiny_medium, tiny_plan, tiny_seed

pytestmark = [pytest.mark.vm, pytest.mark.skipif(bool(LACKING), reason=LACKING)]


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


def test_an_install_whose_emulator_dies_is_tried_once_more(site: Site) -> None:
    observer = FirstSeen(site.work("slow") / "console.log", b"busybox")
    observer.start()
    disks: list[InstalledDisk] = []
    thread = threading.Thread(target=lambda: disks.append(site.install("slow")))
    thread.start()
    try:
        while observer.at is None and thread.is_alive():
            time.sleep(0.05)
        for pid in site.daemon.machines():
            os.kill(pid, signal.SIGSEGV)
    finally:
        thread.join(timeout=300)
        observer.stop()

    (told,) = [event.text for event in site.heard if isinstance(event, Note) and event.warning]
    assert told.startswith("QEMU ended for a reason that libvirt does not tell. It is tried once more.")
    assert disks[0].path.exists()
    assert site.daemon.machines() == []


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
