"""A machine's definition: made from what it shall be, or changed in what shall be different. Pure."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from imgpipe.deploy import metadata
from imgpipe.deploy.existing import MachineRecord
from imgpipe.deploy.wanted import WantedMachine, WantedNic
from imgpipe.domain_features import NEWEST, Features
from imgpipe.domain_spec import Accelerator, CpuMode, DomainNic
from imgpipe.domain_xml import domain_xml
from imgpipe.domains import FinalMachine, final_domain
from imgpipe.libvirt_words import described

REPORT_PORT = "org.imgpipe.report.0"
"""The virtio-serial port on which a guest says that it is up."""
DISK_TARGETS = {"virtio": "vda", "sata": "sda", "scsi": "sda"}
"""What libvirt calls a machine's disk, by its bus."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPolicy:
    """What a host decides of every machine on it. `folder` is the pool's, as the hypervisor sees it.

    `features` are what its libvirt and QEMU take in a definition.
    """

    folder: Path
    accelerator: Accelerator
    cpu: CpuMode = "host-passthrough"
    as_root: bool = False
    features: Features = NEWEST


def definition(
    machine: WantedMachine,
    oem_strings: tuple[str, ...],
    record: MachineRecord,
    policy: HostPolicy,
    backing: Path | None = None,
) -> str:
    """Return the domain XML of a machine whose volumes have the names that `record` says.

    `backing` is the image that its disk is an overlay of.
    """
    final = FinalMachine(
        name=machine.name,
        uuid=machine.uuid,
        machine=machine.machine,
        hardware=machine.template.hardware,
        cache=machine.cache,
        disk=policy.folder / record.disk,
        backing=backing,
        seed=policy.folder / record.seed if record.seed else None,
        nics=tuple(_nic(nic) for nic in machine.identity.nics),
        accelerator=policy.accelerator,
        oem_strings=oem_strings,
        os_id=machine.template.os_id,
        metadata=metadata.to_xml(record),
        ports=(REPORT_PORT,),
        cpu=policy.cpu,
        as_root=policy.as_root,
    )
    return domain_xml(final_domain(final), policy.features)


def changed(current: str, wanted: str) -> str:
    """Return the definition `current` with what imgpipe decides of it taken from `wanted`.

    That is: memory, vCPUs, OEM strings, the disk's cache mode, the seed, NICs and the record. All else stays as it
    is, such as devices that somebody added, and the PCI addresses of NICs that stay.
    """
    old, new = described(current), ET.fromstring(wanted)  # noqa: S314 (our own)
    _change_size(old, new)
    _change_strings(old, new)
    record = new.find(f"metadata/{{{metadata.NAMESPACE}}}machine")
    if record is not None:
        _set_record(old, record)
    devices = old.find("devices")
    wanted_devices = new.find("devices")
    if devices is not None and wanted_devices is not None:
        _change_disk(devices, wanted_devices)
        _change_seed(devices, wanted_devices)
        _change_nics(devices, wanted_devices)
    return ET.tostring(old, encoding="unicode")


def independent(current: str, record: MachineRecord) -> str:
    """Return a definition whose disk has no backing files, with the record that says so."""
    domain = described(current)
    for disk in domain.iterfind("devices/disk[@device='disk']"):
        _drop(disk, "backingStore")
        break
    _set_record(domain, ET.fromstring(metadata.to_xml(record)))  # noqa: S314 (our own)
    return ET.tostring(domain, encoding="unicode")


def disk_target(xml: str) -> str:
    """Return what libvirt calls the first disk of a machine with this definition ('vda'); empty without one."""
    target = described(xml).find("devices/disk[@device='disk']/target")
    return "" if target is None else target.get("dev", "")


def _nic(nic: WantedNic) -> DomainNic:
    return DomainNic(kind=nic.kind, source=nic.source, mac=nic.mac)


def _change_size(old: ET.Element, new: ET.Element) -> None:
    _replace(old, new, "memory")
    _drop(old, "currentMemory")
    _replace(old, new, "vcpu")
    topology, cpu = new.find("cpu/topology"), old.find("cpu")
    if cpu is not None:
        # One that does not multiply to the number of vCPUs would be refused.
        _drop(cpu, "topology")
        if topology is not None:
            cpu.append(topology)


def _change_strings(old: ET.Element, new: ET.Element) -> None:
    strings = new.find("sysinfo[@type='smbios']/oemStrings")
    sysinfo = old.find("sysinfo[@type='smbios']")
    if sysinfo is None:
        sysinfo = ET.SubElement(old, "sysinfo", type="smbios")
    _drop(sysinfo, "oemStrings")
    os = old.find("os")
    if strings is not None:
        sysinfo.append(strings)
        if os is not None and os.find("smbios") is None:
            ET.SubElement(os, "smbios", mode="sysinfo")
    elif not len(sysinfo):
        old.remove(sysinfo)
        if os is not None:
            _drop(os, "smbios")


def _set_record(domain: ET.Element, record: ET.Element) -> None:
    place = domain.find("metadata")
    if place is None:
        place = ET.SubElement(domain, "metadata")
    _drop(place, record.tag)
    place.append(record)


def _change_disk(old: ET.Element, new: ET.Element) -> None:
    driver, wanted = old.find("disk[@device='disk']/driver"), new.find("disk[@device='disk']/driver")
    if driver is not None and wanted is not None:
        driver.set("cache", wanted.get("cache", ""))


def _change_seed(old: ET.Element, new: ET.Element) -> None:
    """Give the machine the seed that it shall have; CDs that somebody else put in stay."""
    wanted = new.find("disk[@device='cdrom']")
    disk = new.find("disk[@device='disk']/source")
    seed = "" if disk is None else disk.get("file", "").removesuffix(".qcow2") + "-seed.iso"
    for cd in old.findall("disk[@device='cdrom']"):
        source = cd.find("source")
        if source is not None and source.get("file") == seed:
            if wanted is not None:
                return
            old.remove(cd)
    if wanted is not None:
        taken = {target.get("dev") for target in old.iterfind("disk/target")}
        target = wanted.find("target")
        if target is not None:
            target.set("dev", next(name for name in (f"sd{letter}" for letter in "abcdefgh") if name not in taken))
        boot = wanted.find("boot")
        if boot is not None and old.find("disk[@device='cdrom']/boot") is not None:
            wanted.remove(boot)
        old.append(wanted)


def _change_nics(old: ET.Element, new: ET.Element) -> None:
    """Keep NICs by their MAC address, each where it is plugged in the machine; add and drop others."""
    there = {_mac(nic): nic for nic in old.findall("interface")}
    wanted = {_mac(nic): nic for nic in new.findall("interface")}
    place = next((index for index, device in enumerate(old) if device.tag == "interface"), len(old))
    for nic in there.values():
        old.remove(nic)
    for mac, nic in reversed(wanted.items()):
        known = there.get(mac)
        if known is not None and _plug(known) != _plug(nic):
            address = known.find("address")
            known = nic
            if address is not None:
                known.append(copy.deepcopy(address))
        old.insert(place, nic if known is None else known)


def _mac(nic: ET.Element) -> str:
    mac = nic.find("mac")
    return "" if mac is None else mac.get("address", "").lower()


def _plug(nic: ET.Element) -> tuple[str, str]:
    source = nic.find("source")
    kind = nic.get("type", "")
    return kind, "" if source is None else source.get(kind, "")


def _replace(old: ET.Element, new: ET.Element, tag: str) -> None:
    element, wanted = old.find(tag), new.find(tag)
    if wanted is None:
        return
    if element is None:
        old.append(wanted)
    else:
        old[list(old).index(element)] = wanted


def _drop(parent: ET.Element, tag: str) -> None:
    for element in parent.findall(tag):
        parent.remove(element)
