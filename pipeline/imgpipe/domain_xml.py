"""libvirt's domain XML, written from a DomainSpec; pure: the same spec and features give the same text.

The elements are those of https://libvirt.org/formatdomain.html that libvirt 6.2 takes, and newer ones where
`domain_features` says that the host's libvirt and QEMU take them.
"""

from __future__ import annotations

from xml.etree import ElementTree as ET

from imgpipe.domain_devices import add_devices
from imgpipe.domain_features import NEWEST, Features
from imgpipe.domain_spec import DomainSpec
from imgpipe.sizes import MIB

_OSINFO = "http://libosinfo.org/xmlns/libvirt/domain/1.0"
_TRANSLATION_CACHE_MIB = 512
"""QEMU's own default is a quarter of this where several guests may run; measured to be worth it under TCG."""


def domain_xml(spec: DomainSpec, features: Features = NEWEST) -> str:
    """Return the XML that a libvirt with these features makes this machine from.

    Whether it can run the machine at all is for `domain_support.refusals` to say, before.
    """
    domain = ET.Element("domain", type="kvm" if spec.accelerator == "kvm" else "qemu")
    _text(domain, "name", spec.name)
    if spec.uuid:
        _text(domain, "uuid", spec.uuid)
    _add_metadata(domain, spec)
    _text(domain, "memory", str(spec.machine.memory // MIB), unit="MiB")
    _text(domain, "vcpu", str(spec.machine.cpus))
    _add_sysinfo(domain, spec)
    _add_os(domain, spec, features)
    _add_features(domain, spec, features)
    _add_cpu(domain, spec, features)
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
    add_devices(domain, spec, features)
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


def _add_os(domain: ET.Element, spec: DomainSpec, features: Features) -> None:
    os = ET.SubElement(domain, "os")
    _text(os, "type", "hvm", arch="x86_64", machine="q35")
    if spec.machine.firmware == "uefi":
        _add_firmware(os, spec, features)
    if spec.direct:
        _text(os, "kernel", str(spec.direct.kernel))
        if spec.direct.initrd:
            _text(os, "initrd", str(spec.direct.initrd))
        _text(os, "cmdline", " ".join(spec.direct.arguments))
    if spec.oem_strings:
        ET.SubElement(os, "smbios", mode="sysinfo")


def _add_firmware(os: ET.Element, spec: DomainSpec, features: Features) -> None:
    """Ask for UEFI firmware by what it shall have, or name it: a libvirt that is not told might take any."""
    secure = "yes" if spec.hardware.secure_boot else "no"
    files = features.firmware_files(secure_boot=spec.hardware.secure_boot)
    template: dict[str, str] = {}
    if files and not features.firmware_by_features:
        _text(os, "loader", str(files.code), readonly="yes", secure=secure, type="pflash")
        template = {"template": str(files.variables)}
    else:
        os.set("firmware", "efi")
        firmware = ET.SubElement(os, "firmware")
        ET.SubElement(firmware, "feature", enabled=secure, name="enrolled-keys")
        ET.SubElement(firmware, "feature", enabled=secure, name="secure-boot")
    if spec.nvram:
        _text(os, "nvram", str(spec.nvram), **template)
    elif template:
        ET.SubElement(os, "nvram", template)


def _add_features(domain: ET.Element, spec: DomainSpec, features: Features) -> None:
    element = ET.SubElement(domain, "features")
    ET.SubElement(element, "acpi")
    ET.SubElement(element, "apic")
    if spec.hardware.secure_boot:
        ET.SubElement(element, "smm", state="on")
    if spec.accelerator == "tcg" and features.translation_cache:
        cache = str(_TRANSLATION_CACHE_MIB)
        _text(ET.SubElement(element, "tcg"), "tb-cache", cache, unit="MiB")
    elif spec.accelerator == "kvm" and spec.hardware.hyperv and features.hyperv:
        hyperv = ET.SubElement(element, "hyperv", {"mode": "custom"} if features.hyperv_mode else {})
        for name in features.hyperv:
            more = {"retries": "8191"} if name == "spinlocks" else {}
            ET.SubElement(hyperv, name, {"state": "on", **more})
    if spec.hardware.hyperv:
        ET.SubElement(element, "vmport", state="off")


def _add_cpu(domain: ET.Element, spec: DomainSpec, features: Features) -> None:
    """Give the guest every feature there is: EL 9 and 10 do not start on the default CPU model."""
    if spec.accelerator == "kvm" and spec.cpu == "host-model":
        cpu = ET.SubElement(domain, "cpu", mode="host-model", check="partial")
    elif spec.accelerator == "kvm":
        migratable = {"migratable": "on"} if features.migratable else {}
        cpu = ET.SubElement(domain, "cpu", {"mode": "host-passthrough", "check": "none", **migratable})
    elif features.maximum_cpu:
        cpu = ET.SubElement(domain, "cpu", mode="maximum")
    else:
        # Of an emulated machine it is QEMU's CPU, as far as libvirt has names for what that has.
        cpu = ET.SubElement(domain, "cpu", mode="host-model", check="partial")
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
