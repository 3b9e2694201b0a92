"""Bare libvirt for the benchmarks: the floor under a deploy, and cleaning up after everybody."""

from __future__ import annotations

import os
import subprocess
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree as ET

import libvirt

from imgpipe.domain_spec import stable_mac

URI = os.environ.get("LIBVIRT_DEFAULT_URI", "qemu:///system" if os.geteuid() == 0 else "qemu:///session")
THREADS = 4
_REMOVE = libvirt.VIR_DOMAIN_UNDEFINE_NVRAM | libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE


def connect() -> libvirt.virConnect:
    return libvirt.open(URI)


def definition(connection: libvirt.virConnect, name: str) -> str:
    return str(connection.lookupByName(name).XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))


def disk_of(xml: str) -> Path:
    source = ET.fromstring(xml).find("devices/disk[@device='disk']/source")
    assert source is not None
    return Path(source.get("file", ""))


def backing_of(disk: Path) -> Path:
    told = subprocess.run(["qemu-img", "info", "-U", disk], check=True, capture_output=True, text=True).stdout
    line = next(line for line in told.splitlines() if line.startswith("backing file:"))
    return Path(line.partition(": ")[2].partition(" (")[0])


def another(xml: str, name: str, disk: Path) -> str:
    """Return the same machine with another name and disk, and without an identity."""
    domain = ET.fromstring(xml)
    for tag in ("metadata", "sysinfo"):
        for element in domain.findall(tag):
            domain.remove(element)
    system = domain.find("os")
    assert system is not None
    for element in (*system.findall("smbios"), *system.findall("nvram")):
        system.remove(element)
    devices = domain.find("devices")
    assert devices is not None
    for cd in devices.findall("disk[@device='cdrom']"):
        devices.remove(cd)
    for channel in devices.findall("channel"):
        for source in channel.findall("source"):
            channel.remove(source)
    for index, mac in enumerate(devices.iterfind("interface/mac")):
        mac.set("address", stable_mac("bench", name, str(index)))
    _set(domain, "name", name)
    _set(domain, "uuid", str(uuid.uuid4()))
    source = devices.find("disk[@device='disk']/source")
    assert source is not None
    source.set("file", str(disk))
    return ET.tostring(domain, encoding="unicode")


def _set(domain: ET.Element, tag: str, text: str) -> None:
    element = domain.find(tag)
    assert element is not None
    element.text = text


def floor(xml: str, golden: Path, prefix: str, count: int, *, start: bool) -> float:
    """Make overlays, define and start machines with nothing else; return the seconds it took."""
    connection = connect()
    folder = disk_of(xml).parent

    def make(index: int) -> None:
        name = f"{prefix}-{index}"
        disk = folder / f"{name}.qcow2"
        argv = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(golden), "-F", "qcow2", str(disk)]
        subprocess.run(argv, check=True, capture_output=True)
        domain = connection.defineXML(another(xml, name, disk))
        if start:
            domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)

    begun = time.monotonic()
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(make, range(count)))
    taken = time.monotonic() - begun
    connection.close()
    return taken


def remove(prefix: str) -> None:
    """End and undefine every machine whose name starts with `prefix`, and delete its disks."""
    connection = connect()

    def gone(domain: libvirt.virDomain) -> None:
        xml = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
        if domain.isActive():
            domain.destroy()
        domain.undefineFlags(_REMOVE)
        for source in ET.fromstring(xml).iterfind("devices/disk/source"):
            path = Path(source.get("file", ""))
            if path.name.startswith(prefix):
                path.unlink(missing_ok=True)

    doomed = [domain for domain in connection.listAllDomains() if domain.name().startswith(prefix)]
    # Most of a destroy is waiting for QEMU to end.
    with ThreadPoolExecutor(4 * THREADS) as pool:
        list(pool.map(gone, doomed))
    connection.close()


def disk_use(prefix: str) -> int:
    """Return the bytes that the files of these machines take on the host's disk, templates not included."""
    connection = connect()
    used = 0
    for domain in connection.listAllDomains():
        if domain.name().startswith(prefix):
            for source in ET.fromstring(domain.XMLDesc()).iterfind("devices/disk/source"):
                used += Path(source.get("file", "")).stat().st_blocks * 512
    connection.close()
    return used
