"""The machines of old hosts: libvirt accepts their XML, and QEMU starts with firmware that is named to it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import libvirt
import pytest

import private_libvirt
from imgpipe.adapters import firmware_files
from imgpipe.adapters.hypervisor import Hypervisor, connect
from imgpipe.domain_spec import DomainDisk, DomainSpec
from imgpipe.domain_support import dropped, refusals
from imgpipe.domain_xml import domain_xml
from imgpipe.os_family import Hardware
from imgpipe.recipe import Machine
from imgpipe.sizes import GIB

GOLDEN = Path(__file__).parents[1] / "golden" / "hosts"
DEFINITIONS = sorted(GOLDEN.rglob("*.xml"))
MACHINE = Machine(cpus=2, memory=GIB, firmware="uefi")
FIRMWARE = firmware_files.installed()


@pytest.fixture(scope="module")
def tested() -> Iterator[Hypervisor]:
    connected = connect("test:///default", print)
    yield connected
    connected.close()


def test_there_are_machines_of_old_and_of_new_hosts() -> None:
    assert len({path.parent for path in DEFINITIONS}) > 1


@pytest.mark.parametrize("path", DEFINITIONS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_libvirt_accepts_the_machines_of_each_release(tested: Hypervisor, path: Path) -> None:
    tested.define_check(path.read_text())


def test_a_driver_that_is_not_qemus_is_not_asked_about_qemu(tested: Hypervisor) -> None:
    found = tested.features("kvm")
    assert (found.libvirt[0] > 0, found.qemu, found.lists) == (True, (), {})
    assert refusals(found, MACHINE, Hardware(tpm=True, secure_boot=True)) == ()


@pytest.mark.programs
@pytest.mark.skipif(bool(private_libvirt.lacking()), reason=private_libvirt.lacking())
def test_a_libvirt_of_today_is_asked_and_lacks_nothing() -> None:
    with private_libvirt.private_libvirt() as daemon:
        hypervisor = connect(daemon.uri, print)
        try:
            found = hypervisor.features("tcg")
            assert hypervisor.features("tcg") is found
        finally:
            hypervisor.close()
    assert "virtio" in found.lists["devices/disk/bus"]
    assert "host-model" in found.lists["cpu/mode"]
    assert found.cpus > 0
    assert found.qemu >= (4, 1)
    assert refusals(found, Machine(), Hardware()) == ()
    assert dropped(found, Machine(), Hardware(), linked=True) == ()


@pytest.mark.programs
@pytest.mark.skipif(bool(private_libvirt.lacking()), reason=private_libvirt.lacking())
@pytest.mark.parametrize("secure", [False, True])
def test_firmware_that_is_named_is_what_the_machine_runs(secure: bool) -> None:
    """Start it paused, as for a libvirt that cannot be asked for features: firmware and variables are real."""
    builds = firmware_files.secure_files(FIRMWARE) if secure else firmware_files.plain_files(FIRMWARE)
    if builds is None:
        pytest.skip("this host has no such firmware")
    with private_libvirt.private_libvirt() as daemon:
        hypervisor = connect(daemon.uri, print)
        found = replace(
            hypervisor.features("tcg"),
            libvirt=(6, 2, 0),
            plain=firmware_files.plain_files(FIRMWARE),
            secure=firmware_files.secure_files(FIRMWARE),
            own_files=True,
        )
        disk = daemon.folder / "old.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "1G"], check=True)
        nvram = daemon.folder / "nvram.fd"
        spec = DomainSpec(
            name="old",
            machine=MACHINE,
            hardware=Hardware(secure_boot=secure),
            accelerator="tcg",
            disk=DomainDisk(path=disk, cache="writeback"),
            nvram=nvram,
        )
        assert refusals(found, MACHINE, spec.hardware) == ()
        try:
            xml = domain_xml(spec, found)
            domain = hypervisor.connection.createXML(xml, libvirt.VIR_DOMAIN_START_PAUSED)
            try:
                made = ET.fromstring(domain.XMLDesc())
                written = nvram.read_bytes()
            finally:
                domain.destroy()
        finally:
            hypervisor.close()
    assert "firmware=" not in xml
    assert made.findtext("os/loader") == str(builds.code)
    assert made.find("os/loader").get("secure", "no") == ("yes" if secure else "no")
    assert made.find("cpu").get("mode") != "maximum"
    assert written == builds.variables.read_bytes()
