"""What a virtual machine consists of, as values: everything that its libvirt XML is written from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from imgpipe.os_family import CacheMode, Hardware
from imgpipe.recipe import Machine, Nic

Accelerator = Literal["kvm", "tcg"]
CpuMode = Literal["host-passthrough", "host-model"]
"""What a KVM guest sees of the host's CPU: all of it, or what libvirt can also give it on another host."""
NETWORKED = ("bridge", "network", "user")


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainDisk:
    """The machine's disk, a qcow2 file; `stop_on_error` pauses the machine where a write fails.

    `backing` is the whole qcow2 image that it is an overlay of; where it is not told, libvirt looks for itself.
    """

    path: Path
    cache: CacheMode
    stop_on_error: bool = False
    backing: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainNic:
    """A network interface.

    `isolated` has its link down, so that nothing leaves the machine and nothing reaches it; `user` is NAT by
    QEMU itself; `bridge` and `network` name the host's bridge or libvirt's network in `source`.
    """

    kind: Literal["isolated", "user", "bridge", "network"] = "isolated"
    source: str = ""
    mac: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectKernel:
    """A kernel that the hypervisor loads itself, instead of the disk's boot loader."""

    kernel: Path
    initrd: Path | None
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainSpec:
    """A virtual machine.

    Its serial port is a pty, for libvirt's console. `nvram` is where UEFI keeps its variables; without it libvirt
    chooses, and removes it with the domain. `screen` adds a display adapter, for screenshots; `hotplug` free ports,
    for devices added while it runs. `ports` are virtio-serial ports that a host opens through libvirt. `as_root`
    has QEMU run as root, where its own user cannot reach the files. `oem_strings` are SMBIOS type 11 strings that
    the guest can read. `os_id` is a libosinfo id (a URL). `ends_at_reset` has the machine end where its guest resets
    it, as it does where it switches itself off.
    """

    name: str
    machine: Machine
    hardware: Hardware
    accelerator: Accelerator
    disk: DomainDisk | None = None
    nics: tuple[DomainNic, ...] = ()
    cds: tuple[Path, ...] = ()
    direct: DirectKernel | None = None
    ports: tuple[str, ...] = ()
    guest_agent: bool = False
    nvram: Path | None = None
    screen: bool = False
    hotplug: bool = False
    cpu: CpuMode = "host-passthrough"
    as_root: bool = False
    ends_at_reset: bool = False
    oem_strings: tuple[str, ...] = ()
    os_id: str = ""
    uuid: str = ""
    metadata: str = ""


def passing_mac(nic: Nic, index: int) -> str:
    """Return the MAC address that the recipe's NIC `index` has in machines that will not stay, as the install's."""
    return nic.mac or stable_mac("imgpipe", str(index))


def stable_mac(*parts: str) -> str:
    """Return a MAC address in QEMU's own range that is the same whenever `parts` are."""
    digest = hashlib.sha256("/".join(parts).encode()).digest()
    return "52:54:00:" + ":".join(f"{byte:02x}" for byte in digest[:3])
