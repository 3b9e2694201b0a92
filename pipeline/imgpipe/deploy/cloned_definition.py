"""The definition of a clone: its source's, device by device, but for what no two machines may share. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from imgpipe.deploy import metadata
from imgpipe.deploy.carried import not_carried
from imgpipe.deploy.definitions import REPORT_PORT
from imgpipe.deploy.existing import MachineRecord
from imgpipe.errors import RecipeError
from imgpipe.identity.oem_strings import PREFIX
from imgpipe.libvirt_words import described

# Of others' metadata only this says nothing about one machine.
_LIBOSINFO = "{http://libosinfo.org/xmlns/libvirt/domain/1.0}"
_SMBIOS_IDS = ("serial", "asset")
_DISK_IDS = ("serial", "wwn")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What is to be known of a machine that is cloned; `nvram` is None where UEFI keeps nothing in a file.

    `left_out` are the places of its definition that its clones do not get. `plugs` are the bridges or networks that its
    NICs are plugged into, in their order.
    """

    name: str
    uuid: str
    disk: Path
    disk_format: str
    macs: tuple[str, ...]
    nvram: Path | None
    nvram_format: str = "raw"
    left_out: tuple[str, ...] = ()
    plugs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CloneIds:
    """What a clone has of its own; `macs` in the order of its source's NICs."""

    name: str
    uuid: str
    macs: tuple[str, ...]
    disk: Path
    seed: Path | None
    nvram: Path | None
    oem_strings: tuple[str, ...]
    record: MachineRecord


def source_of(xml: str) -> Source:
    """Return what a definition says; raises RecipeError, with all reasons, for a machine that cannot be cloned."""
    domain = described(xml)
    name = domain.findtext("name") or ""
    disks = [disk for disk in domain.iterfind("devices/disk") if _is_own(disk)]
    faults = list(not_carried(domain))
    if len(disks) != 1 or not _file(disks[0]):
        faults.append(f"it has {len(disks)} disks of its own; there must be one, and it must be a file")
    if faults:
        raise RecipeError(f"The machine '{name}' cannot be cloned.", details=faults)
    driver = disks[0].find("driver")
    nvram, variables = domain.findtext("os/nvram"), domain.find("os/nvram")
    return Source(
        name=name,
        uuid=domain.findtext("uuid") or "",
        disk=Path(_file(disks[0])),
        disk_format="raw" if driver is None else driver.get("type", "raw"),
        macs=tuple(mac.get("address", "").lower() for mac in domain.iterfind("devices/interface/mac")),
        nvram=Path(nvram) if nvram else None,
        nvram_format="raw" if variables is None else variables.get("format", "raw"),
        plugs=tuple(_plug(nic) for nic in domain.iterfind("devices/interface[mac]")),
        left_out=tuple(dict.fromkeys(place for place, _, _ in _left_out(domain))),
    )


def _plug(nic: ET.Element) -> str:
    source = nic.find("source")
    names = [] if source is None else [source.get(name) for name in ("bridge", "network", "dev")]
    return next((name for name in names if name), "")


def cloned_definition(xml: str, ids: CloneIds) -> str:
    """Return the clone's definition: its own name, ids, MAC addresses, disk, UEFI variables, record and identity.

    What the source has of an earlier identity is left out: its seed, its record and its OEM strings.
    """
    domain = described(xml)
    _set(domain, "name", ids.name)
    _set(domain, "uuid", ids.uuid)
    for title in domain.findall("title"):
        domain.remove(title)
    for genid in domain.findall("genid"):
        # libvirt makes a new one for an element without text.
        genid.text = None
    for _, parent, element in list(_left_out(domain)):
        parent.remove(element)
    if domain.find("os/nvram") is not None:
        _change_nvram(domain, ids.nvram)
    _change_record(domain, ids.record)
    _change_sysinfo(domain, ids)
    devices = domain.find("devices")
    assert devices is not None  # noqa: S101 (libvirt writes none without)
    _change_disks(devices, ids)
    for nic, mac in zip(devices.findall("interface"), ids.macs, strict=True):
        _change_nic(nic, mac)
    _change_ports(devices)
    return ET.tostring(domain, encoding="unicode")


def _left_out(domain: ET.Element) -> Iterator[tuple[str, ET.Element, ET.Element]]:
    """Yield what tells one machine from others and has no successor: its place, its parent and itself."""
    for disk in domain.iterfind("devices/disk"):
        yield from ((f"devices/disk/{tag}", disk, one) for tag in _DISK_IDS for one in disk.findall(tag))
    for block in domain.iterfind("sysinfo/*"):
        for entry in block.findall("entry"):
            if entry.get("name") in _SMBIOS_IDS:
                yield f"sysinfo/{block.tag}/entry[@name='{entry.get('name')}']", block, entry
    for place in domain.findall("metadata"):
        for one in place:
            if not one.tag.startswith((_LIBOSINFO, f"{{{metadata.NAMESPACE}}}")):
                yield f"metadata/{one.tag}", place, one


def _is_own(disk: ET.Element) -> bool:
    return disk.get("device", "disk") == "disk" and disk.find("readonly") is None


def _file(disk: ET.Element) -> str:
    source = disk.find("source")
    return "" if source is None else source.get("file", "")


def _set(domain: ET.Element, tag: str, text: str) -> None:
    element = domain.find(tag)
    if element is None:
        element = ET.SubElement(domain, tag)
    element.text = text


def _change_nvram(domain: ET.Element, path: Path | None) -> None:
    """Name the copy; without one libvirt makes new variables from its template."""
    system, nvram = domain.find("os"), domain.find("os/nvram")
    assert system is not None  # noqa: S101 (it has the other)
    assert nvram is not None  # noqa: S101 (the caller looked)
    if path:
        nvram.text = str(path)
    else:
        system.remove(nvram)


def _change_record(domain: ET.Element, record: MachineRecord) -> None:
    place = domain.find("metadata")
    if place is None:
        place = ET.SubElement(domain, "metadata")
    for element in place.findall(f"{{{metadata.NAMESPACE}}}machine"):
        place.remove(element)
    place.append(ET.fromstring(metadata.to_xml(record)))  # noqa: S314 (our own text)


def _change_sysinfo(domain: ET.Element, ids: CloneIds) -> None:
    sysinfo = domain.find("sysinfo[@type='smbios']")
    if sysinfo is None:
        sysinfo = ET.SubElement(domain, "sysinfo", type="smbios")
    known = [entry.text or "" for entry in sysinfo.iterfind("oemStrings/entry")]
    for strings in sysinfo.findall("oemStrings"):
        sysinfo.remove(strings)
    # Strings that somebody else put there stay.
    wanted = (*ids.oem_strings, *(text for text in known if not text.startswith(f"{PREFIX}:")))
    if wanted:
        strings = ET.SubElement(sysinfo, "oemStrings")
        for text in wanted:
            ET.SubElement(strings, "entry").text = text
    for entry in sysinfo.iterfind("system/entry[@name='uuid']"):
        entry.text = ids.uuid
    system = domain.find("os")
    assert system is not None  # noqa: S101 (libvirt writes none without)
    for mode in system.findall("smbios"):
        system.remove(mode)
    ET.SubElement(system, "smbios", mode="sysinfo")


def _change_disks(devices: ET.Element, ids: CloneIds) -> None:
    for disk in devices.findall("disk"):
        if _is_own(disk):
            source, driver = disk.find("source"), disk.find("driver")
            assert source is not None  # noqa: S101 (source_of looked)
            source.clear()
            source.set("file", str(ids.disk))
            if driver is None:
                driver = ET.SubElement(disk, "driver", name="qemu")
            driver.set("type", "qcow2")
            for chain in disk.findall("backingStore"):
                disk.remove(chain)
        elif _file(disk).endswith("-seed.iso"):
            devices.remove(disk)
    if ids.seed:
        taken = {target.get("dev") for target in devices.iterfind("disk/target")}
        cd = ET.SubElement(devices, "disk", type="file", device="cdrom")
        ET.SubElement(cd, "driver", name="qemu", type="raw", cache="writeback")
        ET.SubElement(cd, "source", file=str(ids.seed))
        free = next(f"sd{letter}" for letter in "abcdefghijklmnop" if f"sd{letter}" not in taken)
        ET.SubElement(cd, "target", dev=free, bus="sata")
        ET.SubElement(cd, "readonly")


def _change_nic(nic: ET.Element, address: str) -> None:
    mac = nic.find("mac")
    assert mac is not None  # noqa: S101 (libvirt gives each NIC one)
    mac.set("address", address)
    for target in nic.findall("target"):
        nic.remove(target)
    for source in nic.findall("source"):
        source.attrib.pop("portid", None)
    for parameters in nic.iterfind("virtualport/parameters"):
        # Open vSwitch's ids of one port; libvirt makes new ones.
        for name in ("interfaceid", "instanceid"):
            parameters.attrib.pop(name, None)


def _change_ports(devices: ET.Element) -> None:
    """Let libvirt choose what only one machine may have: sockets of channels, ports of screens; add our report's."""
    for channel in devices.iterfind("channel[@type='unix']"):
        for source in channel.findall("source"):
            channel.remove(source)
    for graphics in devices.iterfind("graphics"):
        graphics.attrib.pop("port", None)
    for cid in devices.iterfind("vsock/cid"):
        cid.attrib.pop("address", None)
    _change_terminals(devices)
    if devices.find(f"channel/target[@name='{REPORT_PORT}']") is None:
        channel = ET.SubElement(devices, "channel", type="unix")
        ET.SubElement(channel, "target", type="virtio", name=REPORT_PORT)


def _change_terminals(devices: ET.Element) -> None:
    """Make ports that write to a file or a terminal of the host terminals of which libvirt chooses the device."""
    for tag in ("serial", "console", "parallel", "channel"):
        for port in devices.findall(tag):
            if port.get("type") == "file":
                port.set("type", "pty")
            if port.get("type") == "pty":
                port.attrib.pop("tty", None)
                for source in port.findall("source"):
                    port.remove(source)
