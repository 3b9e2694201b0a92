"""What libvirt says of itself on hosts of each release: recorded facts, each with how it is known, as libvirt tells it.

A fact is its value and how it is known: 'read: ...' names a source, 'believed: ...' says why. None is what that
libvirt's domain capabilities do not tell.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from imgpipe.adapters.domain_capabilities import ask
from imgpipe.adapters.firmware_files import Described
from imgpipe.domain_features import Features, FirmwareFiles
from imgpipe.domain_spec import Accelerator

_FOLDER = Path(__file__).parent / "host_releases"
RELEASES = tuple(sorted(path.stem for path in _FOLDER.glob("*.json")))


def recorded(release: str) -> dict[str, Any]:
    """Return what is recorded of a release: its title and its facts."""
    found: dict[str, Any] = json.loads((_FOLDER / f"{release}.json").read_text())
    return found


def domain_capabilities(release: str, accelerator: Accelerator) -> str:
    """Return the XML that libvirt of the release would answer with, as far as imgpipe asks for it."""
    facts = {name: fact[0] for name, fact in recorded(release)["facts"].items()}
    root = ET.Element("domainCapabilities")
    ET.SubElement(root, "vcpu", max=str(facts["cpus"]))
    system = ET.SubElement(root, "os", supported="yes")
    _enum(system, "firmware", facts["firmware"])
    _enum(ET.SubElement(system, "loader", supported="yes"), "secure", facts["secure"])
    cpu = ET.SubElement(root, "cpu")
    for name in ("host-passthrough", "maximum", "host-model", "custom"):
        has = name in facts[f"cpu modes with {accelerator}"]
        mode = ET.SubElement(cpu, "mode", name=name, supported="yes" if has else "no")
        if has and name == "host-passthrough":
            _enum(mode, "hostPassthroughMigratable", facts["migratable"])
    devices = ET.SubElement(root, "devices")
    _enum(ET.SubElement(devices, "disk", supported="yes"), "bus", facts["disk buses"])
    for name, tag in (("tpm", "model"), ("panic", "model")):
        if facts[name]:
            _enum(ET.SubElement(devices, name, supported="yes"), tag, facts[name])
    features = ET.SubElement(root, "features")
    ET.SubElement(features, "backingStoreInput", supported=facts["named backing"])
    if facts["hyperv"] and accelerator == "kvm":
        _enum(ET.SubElement(features, "hyperv", supported="yes"), "features", facts["hyperv"])
    return ET.tostring(root, encoding="unicode")


class RecordedConnection:
    """A connection to the libvirt of a release."""

    def __init__(self, release: str) -> None:
        self._release = release
        self._facts = recorded(release)["facts"]

    def getType(self) -> str:
        return "QEMU"

    def getLibVersion(self) -> int:
        return _number(self._facts["libvirt"][0])

    def getVersion(self) -> int:
        return _number(self._facts["qemu"][0])

    def getDomainCapabilities(self, _emulator: None, arch: str, machine: str, kind: str) -> str:
        assert (arch, machine) == ("x86_64", "q35")
        return domain_capabilities(self._release, "kvm" if kind == "kvm" else "tcg")


def features(release: str, accelerator: Accelerator, *, own_files: bool = True) -> Features:
    """Return what imgpipe makes of a host of the release; without `own_files` it is asked from another one."""
    builds = tuple(_builds(recorded(release)["facts"]["builds"][0])) if own_files else None
    connection: Any = RecordedConnection(release)
    return ask(connection, "qemu:///system", accelerator, builds)


def _enum(parent: ET.Element, name: str, values: list[str] | None) -> None:
    if values is not None:
        enum = ET.SubElement(parent, "enum", name=name)
        for value in values:
            ET.SubElement(enum, "value").text = value


def _builds(found: list[dict[str, Any]]) -> Iterator[Described]:
    for one in found:
        files = FirmwareFiles(code=Path(one["code"]), variables=Path(one["variables"]))
        yield Described(features=frozenset(one["features"]), files=files)


def _number(version: str) -> int:
    major, minor, micro = map(int, version.split("."))
    return major * 1_000_000 + minor * 1000 + micro
