"""Every stage on the stand-ins for Windows' media, by BIOS and by UEFI, and a clone of each that came of it."""

from __future__ import annotations

import base64
import json
import os
import time
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import long_builds
import windows_disk
from command import Command
from imgpipe.adapters.hypervisor import connect
from imgpipe.adapters.machines import Machines
from private_libvirt import lacking, private_libvirt
from windows_builds import PASSWORD, SHAPES

pytestmark = pytest.mark.vm

ENV = {"IMGPIPE_ROOT_PASSWORD": PASSWORD}
GENERALIZED = "IMAGE_STATE_GENERALIZE_RESEAL_TO_OOBE"
FLEET = """
name = "office"
[defaults.root]
password = {{ env = "IMGPIPE_ROOT_PASSWORD" }}
[groups.desks]
template = "windows-{firmware}"
names = ["{name}"]
start = false
"""
# The template by UEFI has its clones' disks written to, that by BIOS has them told by a CD of their own.
CLONES = [("uefi", "front-desk-number-one", 0), ("bios", "back-desk-number-two", 1)]
LONGEST_S = 600


@pytest.fixture(scope="module")
def images():
    return {firmware: long_builds.succeeded(f"windows-{firmware}") for firmware in SHAPES}


@pytest.mark.parametrize("firmware", SHAPES)
def test_it_goes_through_every_stage_to_an_image_with_its_proof(images, firmware):
    build = images[firmware]
    stages = [told["stage"] for told in build.named("stage_finished")]
    assert stages == ["seed", "install", "sysprep", "verify", "publish"]
    text = Path(build.image["manifest"]).read_text()
    manifest = json.loads(text)
    assert manifest["medium"]["stand_in"] is True
    assert manifest["further_media"]["virtio"]["stand_in"] is True
    assert manifest["system"]["product"].endswith("(imgpipe stand-in)")
    assert dict(manifest["sealed"]["generalized"])["image state"] == GENERALIZED
    assert PASSWORD not in text
    assert PASSWORD not in build.stderr + "".join(build.lines)


def test_what_is_published_is_a_generalized_windows_to_libguestfs(images):
    path = Path(images["bios"].image["path"])
    kept = ("/imgpipe/sealed.json", "/Windows/System32/Sysprep/Sysprep_succeeded.tag", "/Windows/Panther/setupact.log")
    gone = ("/Windows/Panther/unattend.xml", "/imgpipe/first-logon.cmd")
    found = windows_disk.read(path, *kept, *gone)
    assert (found["type"], found["arch"], found["major"], found["table"]) == ("windows", "x86_64", 10, "msdos")
    assert found["letters"]["C"] == found["roots"][0]
    assert (found["image_state"], found["dirty"]) == (GENERALIZED, False)
    assert set(found["files"]) == set(kept)
    log = base64.b64decode(found["files"]["/Windows/Panther/setupact.log"]).decode()
    assert "Successfully injected driver package viostor.inf" in log


@pytest.mark.skipif(bool(lacking()), reason=lacking())
@pytest.mark.parametrize(("firmware", "name", "cds"), CLONES, ids=["panther", "cd"])
def test_a_clone_comes_up_with_its_own_name_and_obeys_the_power_button(images, tmp_path, firmware, name, cds):
    fleet = tmp_path / "office.toml"
    fleet.write_text(FLEET.format(firmware=firmware, name=name))
    with private_libvirt() as daemon:
        uri = f"qemu:///system?socket={daemon.socket}" if os.geteuid() == 0 else daemon.uri
        Command(long_builds.LONG, "--connect", uri, "deploy", str(fleet), "--yes", "--json", env=ENV).succeed()
        hypervisor = connect(uri, print)
        machines = Machines(hypervisor)
        assert machines.names() == {name}
        seeds = _seeds(machines.xml(name))
        assert [path.stat().st_mode & 0o777 for path in seeds] == [0o600] * cds
        machines.start(name, paused=False)
        said = _console(machines, name, b"is up")
        assert f"imgpipe stand-in: the computer '{name.upper()[:15]}' is up".encode() in said
        assert machines.stop(name, LONGEST_S)
        hypervisor.close()
        Command(
            long_builds.LONG, "--connect", uri, "machines", "destroy", "--fleet", "office", "--yes", env=ENV
        ).succeed()
        assert daemon.machines() == []
        assert not any(path.exists() for path in seeds)


def _seeds(xml):
    """Return the CDs that a machine is told by; the password may be on them, but not in its definition."""
    assert PASSWORD not in xml
    return [Path(source.get("file")) for source in ET.fromstring(xml).iterfind("devices/disk[@device='cdrom']/source")]


def _console(machines, name, sign):
    """Return what a machine said until it said `sign`."""
    console, said, end = machines.open_console(name), b"", time.monotonic() + LONGEST_S
    while sign not in said:
        assert time.monotonic() < end, said[-2000:]
        said += console.read()
        time.sleep(0.2)
    console.close()
    return said
