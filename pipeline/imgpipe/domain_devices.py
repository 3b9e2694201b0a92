"""The devices of a domain's XML."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from imgpipe.domain_features import Features
from imgpipe.domain_spec import DomainDisk, DomainNic, DomainSpec

_DISK_NAMES = {"virtio": "vda", "sata": "sda", "scsi": "sda"}
_AGENT = "org.qemu.guest_agent.0"
_HOTPLUG_PORTS = 14


def add_devices(domain: ET.Element, spec: DomainSpec, features: Features) -> None:
    """Append `<devices>` with all that `spec` asks for, but what a machine can do without and QEMU lacks."""
    devices = ET.SubElement(domain, "devices")
    if spec.disk:
        _add_disk(devices, spec.disk, spec.hardware.disk_bus)
    # SATA names its devices in one row: the disk, where it is a SATA or SCSI one, is sda.
    for index, path in enumerate(spec.cds):
        _add_cd(devices, path, index, first="bcdefgh" if spec.hardware.disk_bus != "virtio" else "abcdefgh")
    _add_usb(devices, spec)
    if spec.hotplug:
        _add_hotplug_ports(devices)
    if spec.hardware.disk_bus == "scsi":
        ET.SubElement(devices, "controller", type="scsi", index="0", model="virtio-scsi")
    for nic in spec.nics:
        _add_nic(devices, nic, spec.hardware.nic_model)
    _add_console(devices)
    for port in (*spec.ports, *([_AGENT] if spec.guest_agent else [])):
        # Without a path libvirt chooses one, which it knows and the guest's owner need not.
        channel = ET.SubElement(devices, "channel", type="unix")
        ET.SubElement(channel, "target", type="virtio", name=port)
    _add_screen(devices, spec)
    if spec.hardware.tpm:
        tpm = ET.SubElement(devices, "tpm", model="tpm-crb")
        ET.SubElement(tpm, "backend", type="emulator", version="2.0")
    ET.SubElement(devices, "memballoon", model="virtio")
    rng = ET.SubElement(devices, "rng", model="virtio")
    ET.SubElement(rng, "backend", model="random").text = "/dev/urandom"
    # The guest's kernel tells libvirt of its panic through this device, whatever its console shows.
    ET.SubElement(devices, "panic", model="isa")
    if spec.hardware.hyperv and spec.accelerator == "kvm" and features.hyperv_panic:
        # Windows tells of a stop error through Hyper-V's own registers, without any driver.
        ET.SubElement(devices, "panic", model="hyperv")


def _add_disk(devices: ET.Element, disk: DomainDisk, bus: str) -> None:
    element = ET.SubElement(devices, "disk", type="file", device="disk")
    driver = ET.SubElement(element, "driver", name="qemu", type="qcow2", cache=disk.cache, discard="unmap")
    if disk.stop_on_error:
        driver.set("error_policy", "stop")
    ET.SubElement(element, "source", file=str(disk.path))
    if disk.backing:
        backing = ET.SubElement(element, "backingStore", type="file")
        ET.SubElement(backing, "format", type="qcow2")
        source = ET.SubElement(backing, "source", file=str(disk.backing))
        # Else libvirt gives the image, which many share, to the user of QEMU: an owner can make it writable.
        ET.SubElement(source, "seclabel", model="dac", relabel="no")
        ET.SubElement(backing, "backingStore")
    ET.SubElement(element, "target", dev=_DISK_NAMES[bus], bus=bus)
    ET.SubElement(element, "boot", order="1")


def _add_cd(devices: ET.Element, path: Path, index: int, *, first: str) -> None:
    """Add a CD on SATA; the first one boots where the disk does not."""
    element = ET.SubElement(devices, "disk", type="file", device="cdrom")
    # Only read, and by several builds at once: the host's page cache is what one wants here.
    ET.SubElement(element, "driver", name="qemu", type="raw", cache="writeback")
    ET.SubElement(element, "source", file=str(path))
    ET.SubElement(element, "target", dev=f"sd{first[index]}", bus="sata")
    ET.SubElement(element, "readonly")
    if index == 0:
        ET.SubElement(element, "boot", order="2")


def _add_usb(devices: ET.Element, spec: DomainSpec) -> None:
    """Write the USB controller out where the tablet, or a device added later, needs one the guest has a driver for."""
    if spec.hardware.usb == "ehci":
        # Version 2 with its companions for version 1, as virt-install: they share one slot, which libvirt chooses.
        for model, port in (("ich9-ehci1", ""), ("ich9-uhci1", "0"), ("ich9-uhci2", "2"), ("ich9-uhci3", "4")):
            controller = ET.SubElement(devices, "controller", type="usb", model=model)
            if port:
                ET.SubElement(controller, "master", startport=port)
    elif spec.hotplug or spec.hardware.graphics:
        ET.SubElement(devices, "controller", type="usb", model="qemu-xhci", ports="15")


def _add_hotplug_ports(devices: ET.Element) -> None:
    """Add free PCIe ports: a q35 machine cannot take a disk or a NIC while it runs without one (as virt-install)."""
    ET.SubElement(devices, "controller", type="pci", model="pcie-root")
    for _ in range(_HOTPLUG_PORTS):
        ET.SubElement(devices, "controller", type="pci", model="pcie-root-port")


def _add_nic(devices: ET.Element, nic: DomainNic, model: str) -> None:
    kind = "user" if nic.kind == "isolated" else nic.kind
    element = ET.SubElement(devices, "interface", type=kind)
    ET.SubElement(element, "mac", address=nic.mac)
    if nic.kind in {"bridge", "network"}:
        ET.SubElement(element, "source", {nic.kind: nic.source})
    ET.SubElement(element, "model", type=model)
    if nic.kind == "isolated":
        # libvirt's 'null' interface is refused by its QEMU driver; QEMU drops every packet of a link that is down.
        ET.SubElement(element, "link", state="down")


def _add_console(devices: ET.Element) -> None:
    """Add the one serial port: libvirt opens consoles to callers, near and far, that are ptys."""
    for tag, target in (("serial", "isa-serial"), ("console", "serial")):
        ET.SubElement(ET.SubElement(devices, tag, type="pty"), "target", type=target, port="0")


def _add_screen(devices: ET.Element, spec: DomainSpec) -> None:
    """Add what a picture needs: an adapter for screenshots, and VNC with a tablet for systems with a desktop."""
    if spec.hardware.graphics:
        ET.SubElement(devices, "input", type="tablet", bus="usb")
        graphics = ET.SubElement(devices, "graphics", type="vnc", autoport="yes")
        ET.SubElement(graphics, "listen", type="address", address="127.0.0.1")
    if spec.screen or spec.hardware.graphics:
        ET.SubElement(ET.SubElement(devices, "video"), "model", type="vga")
