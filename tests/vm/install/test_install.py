"""Real machines, real libvirt, and an installer of three megabytes that fails in every way we know."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from imgpipe.adapters import qemu_img
from imgpipe.artifacts import InstalledDisk
from imgpipe.errors import GuestError, HostError
from imgpipe.events import Progress
from imgpipe.sizes import MIB
from install_site import BOUND_SECONDS, LACKING, FirstSeen, Site

pytestmark = [pytest.mark.vm, pytest.mark.skipif(bool(LACKING), reason=LACKING)]


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
    assert site.daemon.machines() == []

    before = disk.path.stat().st_mtime_ns
    assert site.install("good") == replace(disk, reused=True)
    assert disk.path.stat().st_mtime_ns == before


FAILURES = (
    ("panic", b"Kernel panic", "The guest's kernel panicked: sysrq triggered crash"),
    ("emergency", b"Entering emergency", "The installer fell into emergency mode."),
    ("failure", b"TINY INSTALL FAILED", "The answer file's own failure mark was reached."),
    ("question", b"Please make a selection", "The installer asks a question."),
    ("no-proof", b"Power down", "The machine switched itself off before the installation had finished."),
    ("reboot-no-proof", b"Restarting system", "The machine switched itself off before the installation had finished."),
)


def test_a_proof_before_a_reboot_counts_as_before_a_power_off(site: Site) -> None:
    disk = site.install("reboot")
    assert disk.path.name == "installed.qcow2"
    assert "Restarting system" in (disk.folder / "console.log").read_text(errors="replace")
    assert site.daemon.machines() == []


@pytest.mark.parametrize(("act", "shows", "reason"), FAILURES, ids=[case[0] for case in FAILURES])
def test_a_failure_ends_the_build_soon_after_showing(site: Site, act: str, shows: bytes, reason: str) -> None:
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
    monkeypatch.setattr("imgpipe.stages.install.LEAST_INSTALL", 2**60)
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
    first, second = sorted(disks, key=lambda disk: disk.reused)
    assert second == replace(first, reused=True)
