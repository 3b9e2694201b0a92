"""Systems that imgpipe did not build: what is looked at, which network tool they use, and what their clones need."""

from __future__ import annotations

import re
from dataclasses import dataclass

from imgpipe.errors import GuestError
from imgpipe.identity.steps import steps as first_boot_steps
from imgpipe.offline_edits import Claim, DropLines, ReplaceMacs, Step, WithoutMacs, WriteFile
from imgpipe.operations import CORE
from imgpipe.os_family import NetworkTool, Personalise

INTERFACES = "/etc/network/interfaces"
_SYSTEMD = ("/usr/lib/systemd/systemd", "/lib/systemd/systemd")
_NETPLAN = ("/usr/sbin/netplan", "/usr/bin/netplan")
_NETWORK_MANAGER = ("/usr/sbin/NetworkManager", "/usr/bin/NetworkManager")
_IFUPDOWN = ("/usr/sbin/ifup", "/sbin/ifup")
_IFCFG = "/etc/sysconfig/network-scripts"
PROBED = (*_SYSTEMD, *_NETPLAN, *_NETWORK_MANAGER, *_IFUPDOWN, _IFCFG, INTERFACES)
"""Paths whose presence decides."""

# libguestfs' names of what keeps NetworkManager's profiles in ifcfg files up to major version 8.
_ENTERPRISE = frozenset(
    ("rhel", "redhat-based", "centos", "rocky", "almalinux", "oraclelinux", "scientificlinux", "openeuler")
)
_LAST_IFCFG = 8
_STANZA = re.compile(r"^\s*iface\s+(?!lo\s)\S+\s+inet", re.MULTILINE)

# The core's operations that take from a clone what it must not share with its template, and nothing else: what the
# template is otherwise, its logs and users' files too, its owner wants in the clones.
_OPERATIONS = (
    "boot-entries", "machine-id", "machine-info", "ssh-hostkeys", "ssh-hostkeys-first-boot", "random-seed",
    "block-device-ids", "hardware-ids", "nic-hardware-addresses", "dhcp-leases", "network-manager-state",
    "udev-persistent-net",
)  # fmt: skip

# They drop what ties a profile or a name to a MAC address, for disks whose old addresses nobody knows or whose
# network is set anew. A clone that keeps its source's network needs these ties, with its own addresses.
_TIES = frozenset(("nic-hardware-addresses", "udev-persistent-net"))
_LIB = ("/lib", "/usr/lib", "/usr/local/lib")
_KINDS = ("network", "link", "netdev")
EARLY_FILES = (
    *(f"{place}/systemd/network/*.{kind}" for place in ("/etc", *_LIB) for kind in _KINDS),
    *(f"{place}/systemd/network/*.{kind}.d/*.conf" for place in ("/etc", *_LIB) for kind in _KINDS),
    *(f"{place}/udev/rules.d/*.rules" for place in ("/etc", *_LIB)),
    "/etc/dracut.conf", "/etc/dracut.conf.d/*.conf", "/etc/initramfs-tools/*.conf", "/etc/initramfs-tools/conf.d/*",
    "/etc/cmdline.d/*.conf",
)  # fmt: skip
"""Patterns of those of MAC_FILES that initramfs-tools and dracut copy into an initramfs (lsinitramfs(8), dracut(8))."""

_BOOT_LOADER = (
    "/etc/default/grub", "/etc/default/grub.d/*.cfg", "/etc/kernel/cmdline", "/boot/grub/grub.cfg",
    "/boot/grub2/grub.cfg", "/boot/grub2/grubenv", "/boot/loader/entries/*.conf", "/boot/efi/EFI/*/grub.cfg",
    "/boot/efi/loader/entries/*.conf", "/efi/loader/entries/*.conf",
)  # fmt: skip
# Names of NICs that are made of their MAC addresses stand in these, and in the names of some.
_NIC_NAMES = (
    "/etc/sysconfig/network-scripts/*-*", "/etc/sysconfig/network/if*-*", "/etc/sysctl.conf", "/etc/sysctl.d/*.conf",
    "/etc/firewalld/zones/*.xml", "/etc/nftables.conf", "/etc/nftables/*", "/etc/sysconfig/nftables.conf",
    "/etc/iptables/*", "/etc/sysconfig/iptables", "/etc/sysconfig/ip6tables", "/etc/dhcp/dhclient*.conf",
    "/etc/dhcpcd.conf", "/etc/dnsmasq.conf", "/etc/dnsmasq.d/*", "/etc/default/isc-dhcp-server",
    "/etc/NetworkManager/dispatcher.d/*", "/etc/network/if-*.d/*",
)  # fmt: skip
MAC_FILES = (
    *(f"{place}/NetworkManager/system-connections/*" for place in ("/etc", *_LIB)),
    *(f"{place}/NetworkManager/conf.d/*.conf" for place in ("/etc", *_LIB)), "/etc/NetworkManager/NetworkManager.conf",
    *(f"{place}/netplan/*.yaml" for place in ("/etc", *_LIB)),
    "/etc/cloud/cloud.cfg", "/etc/cloud/cloud.cfg.d/*", "/var/lib/cloud/seed/*/*", "/var/lib/cloud/instances/*/*",
    *EARLY_FILES, *(f"/etc/systemd/network/*.{kind}.d" for kind in _KINDS),
    "/etc/network/interfaces", "/etc/network/interfaces.d/*",
    *_BOOT_LOADER, *_NIC_NAMES,
)  # fmt: skip
"""Patterns of the files in a guest that tell NICs by their MAC addresses, name them by these, or give them one."""

MacPairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestFacts:
    """What was found on a disk; `distro` and `version` are libguestfs' words, `present` are those of PROBED.

    `interfaces` is the text of INTERFACES, `uefi` says that an EFI system partition is mounted.
    """

    distro: str
    version: str
    present: frozenset[str]
    interfaces: str = ""
    uefi: bool = False


def personalise_of(facts: GuestFacts) -> Personalise:
    """Decide how clones of a Linux system get their identity: by imgpipe's own unit, whatever else there is.

    cloud-init, where there is one, may be told by its configuration to look for no seed. Raises GuestError for a
    system without systemd, which could not start the unit.
    """
    if not facts.present.intersection(_SYSTEMD):
        raise GuestError(
            f"The system '{facts.distro} {facts.version}' has no systemd, so its clones cannot be told who they are.",
            hint="Clone it with virt-clone, and set it up by hand.",
        )
    return Personalise(way="first-boot", network=_network_tool(facts))


def _network_tool(facts: GuestFacts) -> NetworkTool:
    """Return the tool that sets up NICs; the first that does on a system with several."""
    if facts.present.intersection(_NETPLAN):
        return "netplan"
    # On Debian, what /etc/network/interfaces names is left alone by NetworkManager.
    if facts.present.intersection(_IFUPDOWN) and INTERFACES in facts.present and _STANZA.search(facts.interfaces):
        return "ifupdown"
    if facts.present.intersection(_NETWORK_MANAGER):
        major = facts.version.partition(".")[0]
        old = facts.distro in _ENTERPRISE and major.isdigit() and int(major) <= _LAST_IFCFG
        return "ifcfg" if old and _IFCFG in facts.present else "keyfile"
    if facts.present.intersection(_IFUPDOWN) and INTERFACES in facts.present:
        return "ifupdown"
    return "ifcfg" if _IFCFG in facts.present else "none"


def clone_steps(hostname: str, macs: MacPairs = (), *, keeps_network: bool = False) -> tuple[Step, ...]:
    """Return the edits that make a clone's disk its own, and able to take its identity from its definition.

    The host name is written as well, so that it is right even before the first boot's unit runs. `macs` are the
    source's addresses and the clone's; with `keeps_network` they are replaced where others have them dropped.
    """
    known = {operation.name: operation for operation in CORE}
    names = [name for name in _OPERATIONS if not (keeps_network and name in _TIES)]
    return (
        *(step for name in names for step in known[name].steps),
        *((ReplaceMacs(patterns=MAC_FILES, pairs=macs, early=EARLY_FILES),) if macs else ()),
        DropLines(path="/etc/hosts", pattern=r"^127\.0\.1\.1\s"),
        WriteFile(path="/etc/hostname", content=f"{hostname}\n"),
        *first_boot_steps(),
    )


def clone_claims(macs: tuple[str, ...] = ()) -> tuple[Claim, ...]:
    """Return what must hold of every clone's disk after the edits; `macs` are those that no clone may have."""
    known = {operation.name: operation for operation in CORE}
    vital = ("machine-id", "ssh-hostkeys", "random-seed", "dhcp-leases", "network-manager-state")
    claims = [claim for name in vital for claim in known[name].sealed]
    return (*claims, WithoutMacs(patterns=MAC_FILES, macs=macs)) if macs else tuple(claims)
