"""libvirt's domain XML, written from a DomainSpec; pure: the same spec gives the same text.

The elements are those of https://libvirt.org/formatdomain.html, accepted by libvirt 9 and later.
"""

from __future__ import annotations

from xml.etree import ElementTree as ET

from imgpipe.domain_devices import add_devices
from imgpipe.domain_spec import DomainSpec
from imgpipe.sizes import MIB

_OSINFO = "http://libosinfo.org/xmlns/libvirt/domain/1.0"
_TRANSLATION_CACHE_MIB = 512
"""QEMU's own default is a quarter of this where several guests may run; measured to be worth it under TCG."""

_HYPERV = (
    *("relaxed", "vapic", "spinlocks", "vpindex", "runtime", "synic", "stimer"),
    *("frequencies", "tlbflush", "ipi"),
)
"""What virt-install gives Windows where KVM has it, as every KVM since Linux 4.18 (EL 8) has."""


def domain_xml(spec: DomainSpec) -> str:
    """Return the XML that libvirt makes this machine from."""
    domain = ET.Element("domain", type="kvm" if spec.accelerator == "kvm" else "qemu")
    _text(domain, "name", spec.name)
    if spec.uuid:
        _text(domain, "uuid", spec.uuid)
    _add_metadata(domain, spec)
    _text(domain, "memory", str(spec.machine.memory // MIB), unit="MiB")
    _text(domain, "vcpu", str(spec.machine.cpus))
    _add_sysinfo(domain, spec)
    _add_os(domain, spec)
    _add_features(domain, spec)
    _add_cpu(domain, spec)
    _add_clock(domain, spec)
    _text(domain, "on_poweroff", "destroy")
    # With 'destroy', libvirt reports a guest's reboot as a power-off: whoever must tell them apart has 'restart' and
    # libvirt's reboot event.
    _text(domain, "on_reboot", "destroy" if spec.ends_at_reset else "restart")
    # One that is only watched stays as it crashed, until its screen was pictured.
    _text(domain, "on_crash", "preserve" if spec.screen else "destroy")
    power = ET.SubElement(domain, "pm")
    ET.SubElement(power, "suspend-to-mem", enabled="no")
    ET.SubElement(power, "suspend-to-disk", enabled="no")
    add_devices(domain, spec)
    if spec.as_root:
        # libvirt's DAC driver, by number: the user that QEMU would run as cannot reach the machine's files.
        label = ET.SubElement(domain, "seclabel", type="static", model="dac", relabel="yes")
        _text(label, "label", "+0:+0")
    ET.indent(domain)
    return ET.tostring(domain, encoding="unicode") + "\n"


def _text(parent: ET.Element, tag: str, text: str, **attributes: str) -> None:
    ET.SubElement(parent, tag, attributes).text = text


def _add_metadata(domain: ET.Element, spec: DomainSpec) -> None:
    if not (spec.os_id or spec.metadata):
        return
    metadata = ET.SubElement(domain, "metadata")
    if spec.os_id:
        ET.register_namespace("libosinfo", _OSINFO)
        known = ET.SubElement(metadata, f"{{{_OSINFO}}}libosinfo")
        ET.SubElement(known, f"{{{_OSINFO}}}os", id=spec.os_id)
    if spec.metadata:
        metadata.append(ET.fromstring(spec.metadata))  # noqa: S314 (our own text, from another module)


def _add_sysinfo(domain: ET.Element, spec: DomainSpec) -> None:
    if spec.oem_strings:
        strings = ET.SubElement(ET.SubElement(domain, "sysinfo", type="smbios"), "oemStrings")
        for entry in spec.oem_strings:
            _text(strings, "entry", entry)


def _add_os(domain: ET.Element, spec: DomainSpec) -> None:
    os = ET.SubElement(domain, "os")
    if spec.machine.firmware == "uefi":
        os.set("firmware", "efi")
    _text(os, "type", "hvm", arch="x86_64", machine="q35")
    if spec.machine.firmware == "uefi":
        wanted = "yes" if spec.hardware.secure_boot else "no"
        firmware = ET.SubElement(os, "firmware")
        ET.SubElement(firmware, "feature", enabled=wanted, name="enrolled-keys")
        ET.SubElement(firmware, "feature", enabled=wanted, name="secure-boot")
        if spec.nvram:
            _text(os, "nvram", str(spec.nvram))
    if spec.direct:
        _text(os, "kernel", str(spec.direct.kernel))
        if spec.direct.initrd:
            _text(os, "initrd", str(spec.direct.initrd))
        _text(os, "cmdline", " ".join(spec.direct.arguments))
    if spec.oem_strings:
        ET.SubElement(os, "smbios", mode="sysinfo")


def _add_features(domain: ET.Element, spec: DomainSpec) -> None:
    features = ET.SubElement(domain, "features")
    ET.SubElement(features, "acpi")
    ET.SubElement(features, "apic")
    if spec.hardware.secure_boot:
        ET.SubElement(features, "smm", state="on")
    if spec.accelerator == "tcg":
        cache = str(_TRANSLATION_CACHE_MIB)
        _text(ET.SubElement(features, "tcg"), "tb-cache", cache, unit="MiB")
    elif spec.hardware.hyperv:
        hyperv = ET.SubElement(features, "hyperv", mode="custom")
        for name in _HYPERV:
            more = {"retries": "8191"} if name == "spinlocks" else {}
            ET.SubElement(hyperv, name, {"state": "on", **more})
    if spec.hardware.hyperv:
        ET.SubElement(features, "vmport", state="off")


def _add_cpu(domain: ET.Element, spec: DomainSpec) -> None:
    """Give the guest every feature there is: EL 9 and 10 do not start on the default CPU model."""
    if spec.accelerator == "kvm" and spec.cpu == "host-model":
        cpu = ET.SubElement(domain, "cpu", mode="host-model", check="partial")
    elif spec.accelerator == "kvm":
        cpu = ET.SubElement(domain, "cpu", mode="host-passthrough", check="none", migratable="on")
    else:
        cpu = ET.SubElement(domain, "cpu", mode="maximum")
    if spec.hardware.hyperv:
        # Windows editions limit the number of sockets, not of cores; each vCPU is a socket by default.
        ET.SubElement(cpu, "topology", sockets="1", dies="1", cores=str(spec.machine.cpus), threads="1")


def _add_clock(domain: ET.Element, spec: DomainSpec) -> None:
    clock = ET.SubElement(domain, "clock", offset=spec.hardware.clock)
    if spec.accelerator != "kvm":
        return
    ET.SubElement(clock, "timer", name="rtc", tickpolicy="catchup")
    ET.SubElement(clock, "timer", name="pit", tickpolicy="delay")
    ET.SubElement(clock, "timer", name="hpet", present="no")
    if spec.hardware.hyperv:
        ET.SubElement(clock, "timer", name="hypervclock", present="yes")
