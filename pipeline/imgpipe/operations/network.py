"""What a machine remembers of its network: profiles, leases, names of NICs, name servers."""

from __future__ import annotations

from imgpipe.offline_edits import Absent, DropLines, Operation, Remove, Truncate
from imgpipe.recipe import Nic

_KEYFILES = "/etc/NetworkManager/system-connections"
_IFCFG = "/etc/sysconfig/network-scripts"
_LEASES = (
    "/var/lib/dhclient/*",
    "/var/lib/dhcp/*",
    "/var/lib/dhcp3/*",
    "/var/lib/dhcpcd/*",
    "/var/lib/dhcpcd5/*",
    "/var/db/dhcpcd/*",
    "/var/lib/NetworkManager/*.lease",
    "/var/lib/NetworkManager/*.lease6",
    "/var/lib/NetworkManager/dhclient*.conf",
    "/var/lib/systemd/network/*",
    "/run/systemd/netif/leases/*",
)
_DUIDS = ("/etc/dhcp/duid*", "/etc/dhcpcd.duid", "/etc/dhcpcd.secret", "/etc/dhcp6c_duid", "/var/lib/dhcpv6/*duid*")
_DHCP_SERVER = ("/var/lib/dhcpd/*", "/var/lib/dnsmasq/*")
_UDEV = ("/etc/udev/rules.d/*-persistent-net.rules", "/etc/udev/rules.d/*-persistent-cd.rules")
_MANAGER_STATE = (
    "/var/lib/NetworkManager/secret_key",
    "/var/lib/NetworkManager/timestamps",
    "/var/lib/NetworkManager/seen-bssids",
    "/var/lib/NetworkManager/NetworkManager.state",
    "/var/lib/NetworkManager/*.pid",
)


def operations(nics: tuple[Nic, ...]) -> tuple[Operation, ...]:
    """Return the operations on the network; profiles of the recipe's NICs stay."""
    return (_profiles(nics), _HARDWARE_ADDRESSES, *_STATE, _resolver(nics))


def _profiles(nics: tuple[Nic, ...]) -> Operation:
    stray: tuple[str, ...] = (
        f"{_KEYFILES}/*",
        f"{_IFCFG}/ifcfg-*",
        f"{_IFCFG}/keys-*",
        f"{_IFCFG}/route*-*",
        f"{_IFCFG}/rule*-*",
    )
    kept = [f"{_IFCFG}/ifcfg-lo"]
    if all(nic.name for nic in nics):
        for nic in nics:
            kept += [f"{_KEYFILES}/{nic.name}.nmconnection"]
            kept += [f"{_IFCFG}/{kind}-{nic.name}" for kind in ("ifcfg", "keys", "route", "route6", "rule", "rule6")]
        text = "Remove NetworkManager profiles and ifcfg files of NICs that the recipe does not name."
    else:
        # The installer chose the names of NICs given by MAC address, so nobody knows here which files are theirs.
        stray = (f"{_KEYFILES}/Wired connection *", f"{_IFCFG}/ifcfg-Wired_connection_*")
        text = "Remove the NIC profiles that NetworkManager makes up ('Wired connection 1')."
    return Operation(
        name="nic-profiles",
        description=text,
        steps=(Remove(patterns=stray, keep=tuple(kept)),),
        sealed=(Absent(patterns=stray, keep=tuple(kept)),),
    )


_HARDWARE_ADDRESSES = Operation(
    name="nic-hardware-addresses",
    description="Drop the template's MAC addresses from NIC profiles, which would not match a clone's.",
    steps=(
        DropLines(path=f"{_KEYFILES}/*.nmconnection", pattern=r"^\s*mac-address\s*="),
        DropLines(path=f"{_IFCFG}/ifcfg-*", pattern=r"^\s*HWADDR\s*="),
    ),
)

_STATE = (
    Operation(
        name="dhcp-leases",
        description="Remove leases and client ids of dhclient, NetworkManager, systemd-networkd and dhcpcd.",
        steps=(Remove(patterns=(*_LEASES, *_DUIDS)),),
        sealed=(Absent(patterns=(*_LEASES, *_DUIDS)),),
    ),
    Operation(
        name="dhcp-server-leases",
        description="Remove the leases that a DHCP server in the template handed out.",
        steps=(Remove(patterns=_DHCP_SERVER, files_only=True),),
        sealed=(Absent(patterns=_DHCP_SERVER, files_only=True),),
    ),
    Operation(
        name="network-manager-state",
        description="Remove NetworkManager's secret key, from which it derives stable ids, and its memory of networks.",
        steps=(Remove(patterns=_MANAGER_STATE),),
        sealed=(Absent(patterns=_MANAGER_STATE),),
    ),
    Operation(
        name="udev-persistent-net",
        description="Remove udev rules that tie names of NICs and CD drives to the template's devices.",
        steps=(Remove(patterns=_UDEV),),
        sealed=(Absent(patterns=_UDEV),),
    ),
)


def _resolver(nics: tuple[Nic, ...]) -> Operation:
    if any(nic.dns for nic in nics):
        # Debian's ifupdown does not write it again, and the installer wrote what the recipe asked for.
        return Operation(
            name="resolver",
            description="Keep /etc/resolv.conf, which has the name servers that the recipe asks for.",
            steps=(),
        )
    return Operation(
        name="resolver",
        description="Empty /etc/resolv.conf, unless it is a link: its name servers are those of the build network.",
        steps=(Truncate(patterns=("/etc/resolv.conf",)),),
    )
