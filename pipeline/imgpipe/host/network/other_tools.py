"""Hosts whose network is not NetworkManager's: found out, and told what to write. Pure, over a file tree."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from imgpipe.host.network.wanted import HostNetwork, Segment


def tool_of(root: Path, nics: tuple[str, ...]) -> str | None:
    """Return 'netplan', 'ifupdown' or 'systemd-networkd' if one of them has the network in hand, else None.

    netplan with the renderer NetworkManager leaves it to NetworkManager. ifupdown has what its files name
    (interfaces(5)); Debian's NetworkManager keeps away from that. networkd has what a file of the operator's matches
    by name (systemd.network(5)): a NetworkManager that is started beside it would take the NIC from it.
    """
    plans = [_yaml(path) for path in sorted((root / "etc/netplan").glob("*.yaml"))]
    if plans:
        renderers = [plan.get("renderer") for plan in plans if plan.get("renderer")]
        return None if renderers and renderers[-1] == "NetworkManager" else "netplan"
    folder = root / "etc/network"
    files = [folder / "interfaces", *sorted((folder / "interfaces.d").glob("*"))]
    named = {word for path in files if path.is_file() for word in _stanzas(path.read_text(errors="replace"))}
    if named.intersection(nics):
        return "ifupdown"
    return "systemd-networkd" if _networkd_has(root, nics) else None


def for_netplan(network: HostNetwork, macs: Mapping[str, str]) -> str:
    """Render one file of version 2 with the bridges and what they stand on; see netplan(5) for its keys."""
    tables: dict[str, Any] = {"ethernets": {nic: {"dhcp4": False, "dhcp6": False} for nic in network.nics}}
    if network.bonds:
        tables["bonds"] = {
            name: {"interfaces": list(bond.nics), "parameters": {"mode": bond.mode, "mii-monitor-interval": 100}}
            for name, bond in network.bonds.items()
        }
    if vlans := {item.port: {"id": item.vlan, "link": item.nic} for item in network.segments if item.vlan}:
        tables["vlans"] = vlans
    tables["bridges"] = {item.bridge: _netplan_bridge(item, network, macs) for item in network.segments}
    return yaml.safe_dump({"network": {"version": 2, **tables}}, sort_keys=False)


def for_ifupdown(network: HostNetwork, macs: Mapping[str, str]) -> str:
    """Render interfaces(5) for Debian with bridge-utils, ifenslave and vlan; old stanzas of the NICs must go."""
    blocks = []
    for name, bond in network.bonds.items():
        lines = [f"bond-slaves {' '.join(bond.nics)}", f"bond-mode {bond.mode}", "bond-miimon 100"]
        blocks.append(_stanza(name, "manual", lines))
    blocks += [_stanza(item.port, "manual", [f"vlan-raw-device {item.nic}"]) for item in network.segments if item.vlan]
    for item in network.segments:
        lines = [f"bridge_ports {item.port}", "bridge_stp off", "bridge_fd 0"]
        lines.append(f"bridge_hw {macs[network.nics_below(item)[0]]}")
        lines += [f"address {item.address}"] if item.address else []
        lines += [f"gateway {item.gateway}"] if item.gateway else []
        lines += [f"dns-nameservers {' '.join(map(str, item.dns))}"] if item.dns else []
        blocks.append(_stanza(item.bridge, "static" if item.address else "dhcp", lines))
    return "\n".join(blocks)


def for_networkd(network: HostNetwork, macs: Mapping[str, str]) -> str:
    """Render the files of /etc/systemd/network one after another; see systemd.netdev(5) and systemd.network(5)."""
    devices: dict[str, list[str]] = {}
    below: dict[str, list[str]] = {}
    for name, bond in network.bonds.items():
        devices[name] = ["Kind=bond", "", "[Bond]", f"Mode={bond.mode}", "MIIMonitorSec=100ms"]
        for nic in bond.nics:
            below.setdefault(nic, []).append(f"Bond={name}")
    for item in network.segments:
        if item.vlan:
            devices[item.port] = ["Kind=vlan", "", "[VLAN]", f"Id={item.vlan}"]
            below.setdefault(item.nic, []).append(f"VLAN={item.port}")
        mac = macs[network.nics_below(item)[0]]
        devices[item.bridge] = ["Kind=bridge", f"MACAddress={mac}", "", "[Bridge]", "STP=no", "ForwardDelaySec=0"]
        below.setdefault(item.port, []).append(f"Bridge={item.bridge}")
        below[item.bridge] = [f"Address={item.address}" if item.address else "DHCP=ipv4"]
        below[item.bridge] += [f"Gateway={item.gateway}"] if item.gateway else []
        below[item.bridge] += [f"DNS={server}" for server in item.dns]
    files = [_unit(f"{name}.netdev", ["[NetDev]", f"Name={name}", *lines]) for name, lines in devices.items()]
    files += [
        _unit(f"{name}.network", ["[Match]", f"Name={name}", "", "[Network]", *lines]) for name, lines in below.items()
    ]
    return "\n".join(files)


def _unit(name: str, lines: list[str]) -> str:
    return "\n".join((f"# 10-imgpipe-{name}", *lines, ""))


def _networkd_has(root: Path, nics: tuple[str, ...]) -> bool:
    files = sorted((root / "etc/systemd/network").glob("*.network"))
    patterns = [word for path in files for word in _matches(path.read_text(errors="replace"))]
    return any(fnmatchcase(nic, pattern) for nic in nics for pattern in patterns)


def _matches(text: str) -> Iterator[str]:
    """Yield the patterns by which a .network file matches devices."""
    section = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            section = line
        elif section == "[Match]" and line.partition("=")[0].strip() == "Name":
            yield from line.partition("=")[2].split()


def _netplan_bridge(segment: Segment, network: HostNetwork, macs: Mapping[str, str]) -> dict[str, Any]:
    bridge: dict[str, Any] = {
        "interfaces": [segment.port],
        "macaddress": macs[network.nics_below(segment)[0]],
        "parameters": {"stp": False, "forward-delay": 0},
        "dhcp4": segment.address is None,
        "dhcp6": False,
    }
    if segment.address:
        bridge["addresses"] = [str(segment.address)]
    if segment.gateway:
        bridge["routes"] = [{"to": "default", "via": str(segment.gateway)}]
    if segment.dns:
        bridge["nameservers"] = {"addresses": [str(server) for server in segment.dns]}
    return bridge


def _stanza(name: str, method: str, lines: list[str]) -> str:
    return "".join((f"auto {name}\niface {name} inet {method}\n", *(f"    {line}\n" for line in lines)))


def _stanzas(text: str) -> Iterator[str]:
    """Yield the names of the devices that an interfaces file configures."""
    for line in text.splitlines():
        if found := re.match(r"\s*iface\s+(\S+)", line):
            yield found[1]


def _yaml(path: Path) -> dict[str, Any]:
    try:
        told = yaml.safe_load(path.read_text(errors="replace"))
    except (yaml.YAMLError, RecursionError, ValueError):
        return {}
    network = told.get("network") if isinstance(told, dict) else None
    return network if isinstance(network, dict) else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What the operator writes by hand, where, and what comes then."""

    path: str
    render: Callable[[HostNetwork, Mapping[str, str]], str]
    then: str


ADVICE: Mapping[str, Advice] = {
    "netplan": Advice(
        path="/etc/netplan/60-imgpipe.yaml",
        render=for_netplan,
        then="Remove the NICs' addresses from the other files of /etc/netplan, 'chmod 600' it, and run 'netplan try', "
        "which undoes itself unless it is confirmed.",
    ),
    "ifupdown": Advice(
        path="/etc/network/interfaces.d/imgpipe",
        render=for_ifupdown,
        then="Remove the NICs' own stanzas from /etc/network, install bridge-utils (ifenslave for bonds, vlan for "
        "VLANs), and restart the network at the console, not over SSH.",
    ),
    "systemd-networkd": Advice(
        path="/etc/systemd/network",
        render=for_networkd,
        then="Write each file by the name in its first line, remove the NICs from the files that match them now, and "
        "run 'networkctl reload' at the console, not over SSH.",
    ),
}
"""By tool."""
