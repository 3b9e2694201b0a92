"""Every machine we describe is one that libvirt accepts, and the final one is the runbook's."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import deploy_site
import private_libvirt
from domain_facts import differences, facts, virt_install
from imgpipe.adapters.hypervisor import Hypervisor, connect
from imgpipe.artifacts import Medium, SeedMedia
from imgpipe.deploy.definitions import HostPolicy, definition
from imgpipe.deploy.record import record_of
from imgpipe.deploy.wanted import Identity, WantedNic
from imgpipe.domain_spec import DomainDisk, DomainNic, DomainSpec, stable_mac
from imgpipe.domain_xml import domain_xml
from imgpipe.domains import FinalMachine, final_domain, install_domain, verify_domain
from imgpipe.os_family import CdBoot, Hardware
from imgpipe.recipe import Machine
from imgpipe.sizes import GIB
from tiny_plan import tiny_plan

WINDOWS = Hardware(
    cache="writeback", clock="localtime", hyperv=True, tpm=True, secure_boot=True, graphics=True, nic_model="e1000e"
)
NICS = (
    DomainNic(kind="bridge", source="br1", mac=stable_mac("vm003", "0")),
    DomainNic(kind="bridge", source="br2", mac=stable_mac("vm003", "1")),
)
EXTRA_NICS = (
    DomainNic(kind="network", source="default", mac=stable_mac("x")),
    DomainNic(kind="user", mac=stable_mac("y")),
)


def rocky(disk: Path) -> FinalMachine:
    return FinalMachine(
        name="vm003",
        machine=Machine(cpus=2, memory=2 * GIB),
        hardware=Hardware(),
        cache="none",
        disk=disk,
        nics=NICS,
        os_id="http://rockylinux.org/rocky/9",
    )


DEPLOYED = {
    "backing": Path("/tmp/golden.qcow2"),
    "seed": Path("/tmp/seed.iso"),
    "ports": ("org.imgpipe.report.0",),
    "cpu": "host-model",
    "as_root": True,
}


def variants(folder: Path) -> Iterator[tuple[str, DomainSpec]]:
    seed = SeedMedia(folder=folder, digests=(), kernel=folder / "k", initrd=folder / "i", arguments=("a=<&'\">", "b"))
    for firmware, accelerator in itertools.product(("bios", "uefi"), ("kvm", "tcg")):
        plan = tiny_plan("good")
        plan = replace(plan, machine=Machine(cpus=2, memory=GIB, disk=GIB, firmware=firmware))
        medium = Medium(path=folder / "medium.iso", sha256="0" * 64, volume_id="M", title="M")
        yield f"install {firmware} {accelerator}", install_domain(plan, medium, seed, folder, accelerator)
        networked = replace(plan, install_network="user")
        yield (
            f"install networked {firmware} {accelerator}",
            install_domain(networked, medium, seed, folder, accelerator),
        )
        windows = replace(plan, unattended=replace(plan.unattended, hardware=WINDOWS, boot=CdBoot(keys=("KEY_SPACE",))))
        cd = replace(seed, kernel=None, initrd=None, arguments=(), iso=folder / "seed.iso")
        yield f"install CD {firmware} {accelerator}", install_domain(windows, medium, cd, folder, accelerator)
        disk = DomainDisk(path=folder / "o.qcow2", cache="none", stop_on_error=True)
        yield f"verify {firmware} {accelerator}", verify_domain(plan, disk, folder, accelerator)
        final = replace(
            rocky(folder / "d.qcow2"),
            machine=plan.machine,
            accelerator=accelerator,
            nics=(*NICS, *EXTRA_NICS),
            oem_strings=("name=<x>", "b=c"),
            metadata='<i:clone xmlns:i="https://imgpipe.example/1"><i:version>1</i:version></i:clone>',
        )
        yield f"final {firmware} {accelerator}", final_domain(final)
        yield (
            f"final Windows {firmware} {accelerator}",
            final_domain(replace(final, hardware=WINDOWS, cache="writeback")),
        )
        yield f"deployed {firmware} {accelerator}", final_domain(replace(final, **DEPLOYED))
        for bus in ("sata", "scsi"):
            yield f"final {bus} {firmware} {accelerator}", final_domain(replace(final, hardware=Hardware(disk_bus=bus)))


VARIANTS = dict(variants(Path("/tmp")))


@pytest.fixture(scope="module")
def hypervisor() -> Iterator[Hypervisor]:
    connected = connect("test:///default", print)
    yield connected
    connected.close()


@pytest.mark.parametrize("name", VARIANTS)
def test_libvirt_accepts_every_machine(hypervisor: Hypervisor, name: str) -> None:
    before = hypervisor.domain_names()
    hypervisor.define_check(domain_xml(VARIANTS[name]))
    assert hypervisor.domain_names() == before


@pytest.mark.programs
@pytest.mark.skipif(not shutil.which("virt-xml-validate"), reason="virt-xml-validate is not installed")
@pytest.mark.parametrize("name", VARIANTS)
def test_every_machine_is_valid_by_libvirts_own_schema(tmp_path: Path, name: str) -> None:
    path = tmp_path / "domain.xml"
    path.write_text(domain_xml(VARIANTS[name]))
    done = subprocess.run(["virt-xml-validate", path, "domain"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", VARIANTS)
def test_every_disk_has_its_cache_mode_written_out(name: str) -> None:
    drivers = ET.fromstring(domain_xml(VARIANTS[name])).findall("devices/disk/driver")
    assert drivers
    assert all(driver.get("cache") for driver in drivers)


def test_the_same_machine_is_always_the_same_text() -> None:
    assert dict(variants(Path("/tmp"))) == VARIANTS
    assert all(domain_xml(spec) == domain_xml(spec) for spec in VARIANTS.values())


def test_values_cannot_write_xml() -> None:
    domain = ET.fromstring(domain_xml(VARIANTS["install bios tcg"]))
    assert domain.findtext("os/cmdline") == "a=<&'\"> b"


def test_an_isolated_nic_has_its_link_down_and_no_other_nic_has() -> None:
    down = ET.fromstring(domain_xml(VARIANTS["install bios kvm"])).findall("devices/interface/link[@state='down']")
    assert len(down) == len(tiny_plan("good").nics)
    for name in ("install networked bios kvm", "verify bios kvm", "final bios kvm"):
        assert ET.fromstring(domain_xml(VARIANTS[name])).find("devices/interface/link") is None


IMPORT = (
    "--name", "vm003", "--memory", "2048", "--vcpus", "2", "--cpu", "host", "--os-variant", "rocky9",
    "--network", "bridge=br1,model=virtio", "--network", "bridge=br2,model=virtio",
    "--graphics", "none", "--console", "pty,target_type=serial",
)  # fmt: skip

EXPECTED_DIFFERENCES = {
    "- uuid": "libvirt gives one when the machine is defined",
    "- memory = 2097152": "the same amount, in another unit",
    "- currentMemory = 2097152": "the same as memory, libvirt's default",
    "+ memory unit=MiB = 2048": "the same amount, in another unit",
    "- os/boot dev=hd": "the order is written at the disk, so that a CD added later does not boot first",
    "+ devices/disk/boot order=1": "the order is written at the disk",
    "- cpu mode=host-model": "host-passthrough gives all features of the host: EL 9 and 10 do not start without some",
    "+ cpu check=none migratable=on mode=host-passthrough": "see above",
    "- devices/emulator = /usr/bin/qemu-system-x86_64": "libvirt chooses its own, on hosts of any distribution",
    "- devices/disk/driver cache=none name=qemu type=qcow2": "the same, and discard",
    "+ devices/disk/driver cache=none discard=unmap name=qemu type=qcow2": "what the guest frees is freed on the host",
    "- devices/console/target type=serial": "the same port, its number written",
    "+ devices/console/target port=0 type=serial": "the same port, its number written",
    "+ devices/serial type=pty": "libvirt makes it from the console",
    "+ devices/serial/target port=0 type=isa-serial": "libvirt makes it from the console",
    "- devices/channel/source mode=bind": "libvirt's default",
    "+ devices/panic model=isa": "a kernel's panic is told to libvirt, not only to the console",
    "+ on_poweroff = destroy": "libvirt's default, written out",
    "+ on_reboot = restart": "libvirt's default, written out",
    "+ on_crash = destroy": "libvirt's default, written out",
}
"""Each difference to what virt-install makes of the runbook's command, and why it is wanted."""


@pytest.mark.programs
@pytest.mark.skipif(not shutil.which("virt-install"), reason="virt-install is not installed")
@pytest.mark.skipif(bool(private_libvirt.lacking()), reason=private_libvirt.lacking())
def test_the_final_machine_is_the_runbooks_but_for_knowndifferences() -> None:
    with private_libvirt.private_libvirt() as daemon:
        disk = daemon.folder / "vm003.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "15G"], check=True)
        location = f"path={disk},bus=virtio,cache=none"
        imported = virt_install(daemon.uri, *IMPORT, "--disk", location, "--import")
        medium = daemon.folder / "medium"
        for name in ("images/pxeboot/vmlinuz", "images/pxeboot/initrd.img"):
            (medium / name).parent.mkdir(parents=True, exist_ok=True)
            (medium / name).write_bytes(b"x")
        (medium / ".treeinfo").write_text(
            "[general]\nfamily = Rocky Linux\nversion = 9.7\narch = x86_64\n"
            "[images-x86_64]\nkernel = images/pxeboot/vmlinuz\ninitrd = images/pxeboot/initrd.img\n"
        )
        seed = daemon.folder / "ks.iso"
        seed.write_bytes(bytes(4096))
        installed = virt_install(
            daemon.uri, *IMPORT, "--disk", location, "--location", str(medium), "--disk", f"path={seed},device=cdrom"
        )
    ours = facts(domain_xml(final_domain(rocky(disk))))
    assert differences(facts(imported), ours) == set(EXPECTED_DIFFERENCES)
    # virt-install's install command ends in the same machine, plus the CD of the answer file, empty.
    left = {fact for fact in facts(installed) if "cdrom" not in fact and str(seed) not in fact}
    assert differences(left, ours) - set(EXPECTED_DIFFERENCES) == LEFT_BY_INSTALL


ADDED_BY_DEPLOY = {
    "+ devices/channel type=unix #2": "the guest's report that it is up, with what makes it unique",
    "+ devices/channel/target name=org.imgpipe.report.0 type=virtio": "the same",
    "+ devices/disk/backingStore type=file": "the image is named, so that its owner stays its owner",
    "+ devices/disk/backingStore/format type=qcow2": "the same",
    "+ devices/disk/backingStore/source file=/golden.qcow2": "the same",
    "+ devices/disk/backingStore/source/seclabel model=dac relabel=no": "the same",
    "+ devices/disk/backingStore/backingStore": "the image needs no other",
    "+ sysinfo type=smbios": "the machine's identity",
    "+ sysinfo/oemStrings": "the same",
    "+ sysinfo/oemStrings/entry = name": "the same",
    "+ os/smbios mode=sysinfo": "the same",
    "+ metadata/machine complete=yes linked=yes": "what the machine is",
}
"""What a machine of a fleet has beside what the runbook's has, and why; the record's fields apart."""


def test_a_deployed_machine_is_the_runbooks_and_what_a_fleet_needs() -> None:
    disk = Path("/pool/vm003.qcow2")
    base = rocky(disk)
    nics = tuple(WantedNic(kind="bridge", source=nic.source, mac=nic.mac) for nic in NICS)
    made_from = deploy_site.template(Path("/golden.qcow2"), "rocky9", machine=base.machine)
    wanted = replace(deploy_site.machine("vm003", made_from), identity=Identity(hostname="vm003", nics=nics))
    policy = HostPolicy(folder=disk.parent, accelerator="kvm")
    deployed = definition(wanted, ("name",), record_of(wanted, "imgpipe"), policy, made_from.disk)
    found = differences(facts(domain_xml(final_domain(base))), facts(deployed))
    found = {fact for fact in found if not fact.startswith(("+ metadata/machine/", "+ uuid"))}
    assert found == set(ADDED_BY_DEPLOY)


LEFT_BY_INSTALL = {
    "- devices/disk/driver name=qemu type=raw",
    "- devices/disk/target bus=sata dev=sda",
    "- devices/disk/readonly",
}
"""The drive of the answer file, which virt-install leaves in the machine."""
