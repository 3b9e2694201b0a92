"""The machines of Windows: libvirt accepts them, and they are virt-install's but for known differences."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import libvirt
import pytest

import private_libvirt
from domain_facts import differences, facts, virt_install
from imgpipe.adapters.hypervisor import Hypervisor, connect
from imgpipe.domain_spec import DomainDisk, DomainNic, DomainSpec, stable_mac
from imgpipe.domain_xml import domain_xml
from imgpipe.domains import FinalMachine, final_domain
from imgpipe.os_family import Account, Hardware, Order
from imgpipe.recipe import Machine, Recipe
from imgpipe.sizes import GIB
from imgpipe_windows.options import WindowsOptions
from imgpipe_windows.prepare import prepare
from imgpipe_windows.systems import RELEASES

CASES = [
    (name, firmware, accelerator)
    for name, release in RELEASES.items()
    for firmware, accelerator in itertools.product(release.system.firmware, ("kvm", "tcg"))
]
IDS = {
    "win2008r2": "2k8r2",
    "win2012r2": "2k12r2",
    "win2016": "2k16",
    "win2019": "2k19",
    "win2022": "2k22",
    "win10": "10",
    "win11": "11",
}
"""What libosinfo calls them; Debian 12's does not know Windows Server 2025."""
NICS = tuple(DomainNic(kind="bridge", source=f"br{number}", mac=stable_mac("vm002", str(number))) for number in (1, 2))
RUNBOOK = (
    "--name", "vm002", "--memory", "4096", "--vcpus", "4", "--cpu", "host", "--machine", "q35",
    "--network", "bridge=br1,model=virtio", "--network", "bridge=br2,model=virtio",
    "--console", "pty,target_type=serial", "--import",
)  # fmt: skip

SAME = "the same, written in another way"
KVM_HAS_IT = "virt-install 5 gives it where the host has it, as every KVM since Linux 4.18 has"
DIFFERENCES = {
    "- uuid": "libvirt gives one when the machine is defined",
    "- memory = 4194304": SAME,
    "- currentMemory = 4194304": SAME,
    "+ memory unit=MiB = 4096": SAME,
    "- os/boot dev=hd": "the order is written at the disk",
    "+ devices/disk/boot order=1": "the order is written at the disk",
    "- cpu mode=host-model": "host-passthrough gives all features of the host",
    "+ cpu check=none migratable=on mode=host-passthrough": "see above",
    "+ cpu/topology cores=4 dies=1 sockets=1 threads=1": "editions of Windows limit the sockets, not the cores",
    "- devices/emulator = /usr/bin/qemu-system-x86_64": "libvirt chooses its own",
    "- devices/disk/driver cache=writeback name=qemu type=qcow2": "the same, and discard",
    "+ devices/disk/driver cache=writeback discard=unmap name=qemu type=qcow2": "what is freed is freed on the host",
    "- devices/console/target type=serial": SAME,
    "+ devices/console/target port=0 type=serial": SAME,
    "+ devices/serial type=pty": "libvirt makes it from the console",
    "+ devices/serial/target port=0 type=isa-serial": "libvirt makes it from the console",
    "- devices/graphics port=-1 type=vnc": SAME,
    "+ devices/graphics autoport=yes type=vnc": SAME,
    "+ devices/graphics/listen address=127.0.0.1 type=address": "libvirt's default, written out",
    "+ devices/channel type=unix": "for the guest agent, which imgpipe installs in Windows",
    "+ devices/channel/target name=org.qemu.guest_agent.0 type=virtio": "the same",
    "+ devices/memballoon model=virtio": "libvirt's default, written out",
    "+ devices/rng model=virtio": "its driver is installed",
    "+ devices/rng/backend model=random = /dev/urandom": "the same",
    "+ devices/panic model=isa": "a stop error is told to libvirt, not only to the screen",
    "+ devices/panic model=hyperv": "the same, without a driver",
    "- features/hyperv": SAME,
    "+ features/hyperv mode=custom": SAME,
    **{
        f"+ features/hyperv/{name} state=on": KVM_HAS_IT
        for name in ("vpindex", "runtime", "synic", "stimer", "frequencies", "tlbflush", "ipi")
    },
    "+ features/vmport state=off": "virt-install 5 has it too: Windows has no use for VMware's port",
    "+ on_poweroff = destroy": "libvirt's default, written out",
    "+ on_reboot = restart": "libvirt's default, written out",
    "+ on_crash = destroy": "libvirt's default, written out",
}
"""Each difference to what virt-install makes of the runbook's command, and why it is wanted."""
MORE = {
    "win11": {
        "+ devices/tpm model=tpm-crb": "what Windows 11 asks for; virt-install gives one where swtpm is installed",
        "+ devices/tpm/backend type=emulator version=2.0": "see above",
        "- devices/tpm/backend type=emulator": "see above: 2.0 is written out",
        "+ features/smm state=on": "Secure Boot needs it",
        "+ os/firmware": "Secure Boot with Microsoft's keys",
        "+ os/firmware/feature enabled=yes name=enrolled-keys": "see above",
        "+ os/firmware/feature enabled=yes name=secure-boot": "see above",
        "- devices/video/model type=bochs": "screenshots need an adapter that every firmware and every system draws on",
        "+ devices/video/model type=vga": "see above",
    }
}
SWTPM = set(MORE["win11"]) - {fact for fact in MORE["win11"] if "tpm" not in fact}


def hardware(name: str, firmware: str) -> Hardware:
    system = RELEASES[name].system
    machine = {"memory": system.memory, "firmware": firmware}
    recipe = Recipe.model_validate({"name": "r", "os": name, "machine": machine})
    accounts = {"root": Account(name="root", password_hash="$6$x", password="Correct-Horse-1")}
    return prepare(Order(recipe=recipe, system=system, options=WindowsOptions(), accounts=accounts)).hardware


def windows(name: str, firmware: str, disk: Path, accelerator: str = "kvm") -> str:
    final = FinalMachine(
        name="vm002",
        machine=Machine(cpus=4, memory=4 * GIB, firmware=firmware),
        hardware=hardware(name, firmware),
        cache="writeback",
        disk=disk,
        nics=NICS,
        accelerator=accelerator,
        os_id=f"http://microsoft.com/win/{IDS.get(name, '2k25')}",
    )
    return domain_xml(final_domain(final))


@pytest.fixture(scope="module")
def hypervisor() -> Iterator[Hypervisor]:
    connected = connect("test:///default", print)
    yield connected
    connected.close()


@pytest.mark.parametrize(("name", "firmware", "accelerator"), CASES)
def test_libvirt_accepts_the_machine(hypervisor: Hypervisor, name: str, firmware: str, accelerator: str) -> None:
    hypervisor.define_check(windows(name, firmware, Path("/tmp/d.qcow2"), accelerator))


@pytest.mark.programs
@pytest.mark.skipif(not shutil.which("virt-xml-validate"), reason="virt-xml-validate is not installed")
@pytest.mark.parametrize(("name", "firmware", "accelerator"), CASES)
def test_the_machine_is_valid_by_libvirts_own_schema(
    tmp_path: Path, name: str, firmware: str, accelerator: str
) -> None:
    path = tmp_path / "domain.xml"
    path.write_text(windows(name, firmware, tmp_path / "d.qcow2", accelerator))
    done = subprocess.run(["virt-xml-validate", path, "domain"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_without_kvm_windows_is_offered_nothing_of_hyper_v() -> None:
    for name, firmware, _ in CASES:
        found = facts(windows(name, firmware, Path("/d"), "tcg"))
        assert not [fact for fact in found if "hyperv" in fact]


def test_an_old_system_has_a_usb_controller_that_it_has_a_driver_for() -> None:
    old, new = (facts(windows(name, "bios", Path("/d"))) for name in ("win2008r2", "win2016"))
    assert {fact for fact in old if "usb" in fact and "controller" in fact} == {
        f"devices/controller model={model} type=usb"
        for model in ("ich9-ehci1", "ich9-uhci1", "ich9-uhci2", "ich9-uhci3")
    }
    assert "devices/controller model=qemu-xhci ports=15 type=usb" in new


@pytest.mark.programs
@pytest.mark.skipif(not shutil.which("swtpm_setup"), reason="swtpm is not installed")
@pytest.mark.skipif(bool(private_libvirt.lacking()), reason=private_libvirt.lacking())
@pytest.mark.parametrize("name", ["win2025", "win11"])
def test_a_machine_with_tpm_and_secure_boot_starts(name: str) -> None:
    """Start it paused: QEMU, swtpm and the firmware with Microsoft's keys are real, and no guest computes."""
    with private_libvirt.private_libvirt() as daemon:
        disk = daemon.folder / "vm002.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "1G"], check=True)
        machine = Machine(cpus=2, memory=GIB, firmware="uefi")
        spec = DomainSpec(
            name="vm002",
            machine=machine,
            hardware=hardware(name, "uefi"),
            accelerator="tcg",
            disk=DomainDisk(path=disk, cache="writeback"),
            nvram=daemon.folder / "nvram.fd",
        )
        connection = libvirt.open(daemon.uri)
        try:
            domain = connection.createXML(domain_xml(spec), libvirt.VIR_DOMAIN_START_PAUSED)
            try:
                made = ET.fromstring(domain.XMLDesc())
            finally:
                domain.destroy()
        finally:
            connection.close()
    assert made.find("os/loader").get("secure") == "yes"
    assert made.find("devices/tpm/backend").get("version") == "2.0"


@pytest.mark.programs
@pytest.mark.skipif(not shutil.which("virt-install"), reason="virt-install is not installed")
@pytest.mark.skipif(bool(private_libvirt.lacking()), reason=private_libvirt.lacking())
def test_every_machine_is_the_runbooks_but_for_known_differences() -> None:
    with private_libvirt.private_libvirt() as daemon:
        disk = daemon.folder / "vm002.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "20G"], check=True)
        location = ("--disk", f"path={disk},bus=virtio,cache=writeback")
        for name in IDS:
            firmware = RELEASES[name].system.firmware[0]
            boot = ("--boot", "uefi") if firmware == "uefi" else ()
            osinfo = ("--osinfo", RELEASES[name].system.libosinfo)
            theirs = facts(virt_install(daemon.uri, *RUNBOOK, *location, *osinfo, *boot))
            found = differences(theirs, facts(windows(name, firmware, disk)))
            known = {*DIFFERENCES, *MORE.get(name, {})}
            assert found - known == set(), name
            # With swtpm installed virt-install gives Windows 11 its TPM as well.
            assert known - found <= SWTPM, name
