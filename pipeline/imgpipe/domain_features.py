"""What a host's libvirt and QEMU take in a domain's XML: asked of them, and decided here alone. Pure.

Formats: https://libvirt.org/formatdomaincaps.html, and the "since" of each element in
https://libvirt.org/formatdomain.html. What domain capabilities leave out says nothing, by the first of them; then
libvirt's version decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET

from imgpipe.domain_spec import Accelerator

Version = tuple[int, ...]

OLDEST_LIBVIRT: Version = (6, 2, 0)
OLDEST_QEMU: Version = (4, 1, 0)
"""The oldest whose domain capabilities, and whose elements, the machines here were held against."""

_MIGRATABLE = (6, 5, 0)
_MAXIMUM = (7, 1, 0)
_FIRMWARE_FEATURES = (7, 2, 0)
_TRANSLATION_CACHE = (8, 0, 0)
_HYPERV_MODE = (8, 0, 0)

HYPERV = (
    *("relaxed", "vapic", "spinlocks", "vpindex", "runtime", "synic", "stimer"),
    *("frequencies", "tlbflush", "ipi"),
)
"""What virt-install gives Windows where KVM has it, as every KVM since Linux 4.18 (EL 8) has."""
# QEMU's target/i386/kvm/kvm.c: it refuses the one without the other.
_HYPERV_NEEDS = {"synic": "vpindex", "stimer": "synic", "tlbflush": "vpindex", "ipi": "vpindex"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareFiles:
    """A UEFI build: the file that is run, and the template of its variables. Both are raw."""

    code: Path
    variables: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """What this libvirt and QEMU were found to take, for machines of one accelerator.

    `libvirt` and `qemu` are versions, () where they are not known. `lists` has what the domain capabilities list, by
    place ('devices/disk/bus', 'cpu/mode'); a place that is listed as not supported has nothing. `plain` and `secure`
    are UEFI builds of the host that libvirt runs on, without Secure Boot and with it and its keys; `own_files` says
    that this host is that one, so that None means there is none.
    """

    libvirt: Version
    qemu: Version = ()
    accelerator: Accelerator = "kvm"
    lists: Mapping[str, frozenset[str]] = field(default_factory=dict)
    cpus: int = 0
    plain: FirmwareFiles | None = None
    secure: FirmwareFiles | None = None
    own_files: bool = False

    def offers(self, place: str, value: str) -> bool:
        """Say whether a value may stand at a place; it may where nothing is told of that."""
        parts = place.split("/")
        for length in range(1, len(parts)):
            if self.lists.get("/".join(parts[:length])) == frozenset():
                return False
        return place not in self.lists or value in self.lists[place]

    @property
    def maximum_cpu(self) -> bool:
        """Whether a machine may have all of the CPU that QEMU has, by the mode 'maximum'."""
        return self.libvirt >= _MAXIMUM and self.offers("cpu/mode", "maximum")

    @property
    def migratable(self) -> bool:
        """Whether 'host-passthrough' may say that what cannot be migrated is left out, as QEMU does by itself."""
        return self.libvirt >= _MIGRATABLE and self.offers("cpu/mode/host-passthrough/hostPassthroughMigratable", "on")

    @property
    def translation_cache(self) -> bool:
        """Whether the size of an emulator's translation cache can be told."""
        return self.libvirt >= _TRANSLATION_CACHE

    @property
    def hyperv_mode(self) -> bool:
        """Whether Hyper-V's features may say that they are told one by one, as is meant where nothing is said."""
        return self.libvirt >= _HYPERV_MODE

    @property
    def hyperv(self) -> tuple[str, ...]:
        """Those of Hyper-V's features for Windows that KVM and QEMU have, each with what it needs."""
        found = [name for name in HYPERV if self.offers("features/hyperv/features", name)]
        for name, needed in _HYPERV_NEEDS.items():
            if name in found and needed not in found:
                found.remove(name)
        return tuple(found)

    @property
    def hyperv_panic(self) -> bool:
        """Whether Windows can tell of a stop error through Hyper-V's registers."""
        return self.offers("devices/panic/model", "hyperv")

    @property
    def firmware_by_features(self) -> bool:
        """Whether libvirt itself finds a UEFI build by what is asked of it."""
        return self.libvirt >= _FIRMWARE_FEATURES and self.offers("os/firmware", "efi")

    @property
    def named_backing(self) -> bool:
        """Whether libvirt takes an overlay's backing files as they are told, with what is told of their owner."""
        return self.lists.get("features/backingStoreInput") != frozenset()

    def firmware_files(self, *, secure_boot: bool) -> FirmwareFiles | None:
        """Return the UEFI build to name, where libvirt does not find one by itself; None where there is none."""
        return self.secure if secure_boot else self.plain


NEWEST = Features(libvirt=(12, 0, 0), qemu=(10, 0, 0))
"""One that takes all that imgpipe writes, for machines that no host was asked about."""


def listed(capabilities: ET.Element) -> dict[str, frozenset[str]]:
    """Return what `<domainCapabilities>` list, by place; see `Features`."""
    found = dict(_enums(capabilities, ""))
    modes = capabilities.findall("cpu/mode")
    if modes:
        found["cpu/mode"] = frozenset(mode.get("name", "") for mode in modes if mode.get("supported") == "yes")
    return found


def _enums(element: ET.Element, place: str) -> Iterator[tuple[str, frozenset[str]]]:
    for child in element:
        if child.tag == "enum":
            values = frozenset((value.text or "").strip() for value in child.iterfind("value"))
            yield f"{place}{child.get('name', '')}", values
            continue
        name = f"{child.get('name', '')}/" if child.tag == "mode" else ""
        here = f"{place}{child.tag}/{name}"
        if child.get("supported") == "no":
            yield here.removesuffix("/"), frozenset()
        else:
            yield from _enums(child, here)
