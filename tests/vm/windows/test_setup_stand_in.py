"""The stand-in Setup on QEMU alone, by BIOS and by UEFI with Secure Boot, and every way it is made to fail.

Whole builds use it in test_windows_builds.py and test_windows_failures.py. These look at the stand-in itself, take a
minute or two each, and are asked for by IMGPIPE_STAND_IN_TESTS=1.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import setup_stand_in
import windows_disk
from imgpipe_windows_standin import setup_medium

pytestmark = [
    pytest.mark.vm,
    pytest.mark.skipif(not os.environ.get("IMGPIPE_STAND_IN_TESTS"), reason="IMGPIPE_STAND_IN_TESTS is not set"),
]

SEALED = "IMAGE_STATE_GENERALIZE_RESEAL_TO_OOBE"
TAG = "/Windows/System32/Sysprep/Sysprep_succeeded.tag"
STATE = "/Windows/Setup/State/State.ini"
MARKER = "/imgpipe/sealed.json"
SETUP_LOG = "/Windows/Panther/setupact.log"
SYSPREP_LOG = "/Windows/System32/Sysprep/Panther/setuperr.log"
DEVICE_LOG = "/Windows/INF/setupapi.dev.log"
ANSWERS = "/Windows/Panther/unattend.xml"
FILES = (TAG, STATE, MARKER, SETUP_LOG, SYSPREP_LOG, DEVICE_LOG, ANSWERS)
PROGRESS = [
    f"imgpipe: {phase}"
    for phase in ("specialize", "first-logon", "driver balloon", "driver vioserial", "agent", "sysprep")
]

Setup = Callable[..., tuple[Path, tuple[Path, Path]]]


@pytest.fixture(scope="module")
def medium(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("medium") / "setup.iso"
    setup_medium.make(target, print)
    return target


@pytest.fixture
def setup(tmp_path: Path, medium: Path) -> Setup:
    """A blank disk, and the CDs: Setup's, and a seed made of the answers and of other files."""

    def prepare(answers: str, **options: Any) -> tuple[Path, tuple[Path, Path]]:
        disk = tmp_path / "disk.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(disk), "2G"], check=True)
        files = setup_stand_in.seed_files(answers, **options.pop("seed", {})) | options.pop("files", {})
        return disk, (medium, setup_stand_in.write_iso(tmp_path / "seed.iso", files))

    return prepare


def text(found: dict[str, Any], path: str, encoding: str = "utf-8") -> str:
    return base64.b64decode(found["files"][path]).decode(encoding)


def said(machine: setup_stand_in.Machine) -> list[str]:
    # By UEFI the firmware's own text is on the port as well, without a line's end before the first of ours.
    return re.findall(r"imgpipe: [^\r\n]+", machine.serial)


def assert_sealed(found: dict[str, Any]) -> None:
    assert found["type"] == "windows"
    assert found["arch"] == "x86_64"
    assert found["product"] == "Windows Server 2016 Standard (Desktop Experience) (imgpipe stand-in)"
    assert (found["major"], found["hostname"]) == (10, "GOLDEN")
    assert found["letters"]["C"] == found["roots"][0]
    assert TAG in found["files"]
    assert f"ImageState={SEALED}" in text(found, STATE, "utf-16")
    assert found["image_state"] == SEALED
    assert not found["dirty"]
    assert json.loads(text(found, MARKER)) == {
        "imgpipe": 1,
        "system": "win2016",
        "drivers": [{"name": "balloon", "exit": 0}, {"name": "vioserial", "exit": 0}],
        "steps": [{"name": "qemu-ga", "exit": 0}],
    }
    assert "Successfully injected driver package viostor.inf" in text(found, SETUP_LOG)
    assert "Exit status: SUCCESS" in text(found, DEVICE_LOG)
    # The scripts remove it, so that no clone installs by it again.
    assert ANSWERS not in found["files"]


def test_by_bios_a_blank_disk_is_installed_without_a_key(setup: Setup) -> None:
    disk, discs = setup(setup_stand_in.answers())
    with setup_stand_in.machine(disk, discs) as machine:
        machine.until_off()
    assert said(machine) == PROGRESS
    assert machine.resets >= 2
    found = windows_disk.read(disk, *FILES)
    assert found["table"] == "msdos"
    assert_sealed(found)
    # Without the seed, whose answers it would take again.
    with setup_stand_in.machine(disk, ()) as machine:
        machine.until("the computer 'WIN-")
        machine.ask("system_powerdown")
        machine.until_off()


def test_by_uefi_with_secure_boot_setup_wants_a_key_and_the_disk_boots_afterwards(setup: Setup) -> None:
    disk, discs = setup(setup_stand_in.answers(uefi=True))
    with setup_stand_in.machine(disk, discs, uefi=True, secure=True) as machine:
        while not machine.resets:
            machine.press("spc")
            machine.wait(1)
        machine.until_off()
    assert said(machine) == PROGRESS
    found = windows_disk.read(disk, *FILES)
    assert found["table"] == "gpt"
    assert_sealed(found)


def test_by_uefi_nothing_is_installed_when_no_key_is_pressed(setup: Setup) -> None:
    disk, discs = setup(setup_stand_in.answers(uefi=True))
    before = disk.stat().st_blocks
    with setup_stand_in.machine(disk, discs, uefi=True) as machine:
        machine.until_still(30)
    assert "Press any key" in machine.serial
    assert said(machine) == []
    assert disk.stat().st_blocks == before


@pytest.mark.parametrize(
    ("image", "seed"),
    [
        ("Windows Server 2016 STANDIN FAULT DIALOG", {}),
        ("Windows Server 2016 NO SUCH EDITION", {}),
        ("Windows Server 2016 SERVERSTANDARD", {"drivers": "2k25"}),
    ],
    ids=["fault", "no such image", "driver of another Windows"],
)
def test_a_dialog_waits_for_ever_and_touches_nothing(setup: Setup, image: str, seed: dict[str, str]) -> None:
    disk, discs = setup(setup_stand_in.answers(image=image), seed=seed)
    before = disk.stat().st_blocks
    with setup_stand_in.machine(disk, discs) as machine:
        machine.until_still(30)
        assert len(set(machine.screen()[-300000:])) > 1
    assert not machine.resets
    assert disk.stat().st_blocks == before


def test_faults_of_sealing_are_on_the_disk_after_power_off(setup: Setup) -> None:
    files = {"standin.fault": "undeployable, dirty-ntfs"}
    disk, discs = setup(setup_stand_in.answers(), files=files)
    with setup_stand_in.machine(disk, discs) as machine:
        machine.until_off()
    found = windows_disk.read(disk, *FILES)
    assert found["dirty"]
    assert found["image_state"] == "IMAGE_STATE_UNDEPLOYABLE"
    assert "undeployable" in text(found, SYSPREP_LOG, "utf-16")


def test_a_driver_that_fails_ends_in_power_off_without_a_marker(setup: Setup) -> None:
    disk, discs = setup(setup_stand_in.answers(), files={"standin.fault": "driver-missing"})
    with setup_stand_in.machine(disk, discs) as machine:
        machine.until_off()
    assert said(machine)[-1] == "imgpipe: failed driver-balloon 2"
    found = windows_disk.read(disk, *FILES)
    assert not {MARKER, TAG} & found["files"].keys()
    assert "FAILURE(0x00000002)" in text(found, DEVICE_LOG)


def test_a_failed_sysprep_leaves_no_tag_and_powers_off(setup: Setup) -> None:
    disk, discs = setup(setup_stand_in.answers(image="Windows Server 2016 STANDIN FAULT NO-TAG"))
    with setup_stand_in.machine(disk, discs) as machine:
        machine.until_off()
    found = windows_disk.read(disk, *FILES)
    assert TAG not in found["files"]
    assert found["image_state"] == "IMAGE_STATE_COMPLETE"
    assert "not provisioned for all users" in text(found, SYSPREP_LOG, "utf-16")


def test_a_boot_loop_starts_over_and_over(setup: Setup) -> None:
    disk, discs = setup(setup_stand_in.answers(image="Windows Server 2016 STANDIN FAULT BOOT-LOOP"))
    with setup_stand_in.machine(disk, discs) as machine:
        machine.until_resets(5)
    assert said(machine) == []


def test_a_stop_error_stays_on_the_screen(setup: Setup) -> None:
    disk, discs = setup(setup_stand_in.answers(image="Windows Server 2016 STANDIN FAULT STOP-ERROR"))
    with setup_stand_in.machine(disk, discs) as machine:
        machine.until_resets(1)
        machine.until_still(30)
        # The background is blue: the last pixel's red and green are dark.
        red, green, blue = machine.screen()[-3:]
    assert blue > red == green
    assert said(machine) == []
