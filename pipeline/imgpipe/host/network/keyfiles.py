"""The profiles of a host's network as NetworkManager's keyfiles (nm-settings-keyfile(5)): pure functions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from imgpipe.host.network.wanted import HostNetwork, Segment

Section = tuple[str, tuple[tuple[str, str], ...]]

# Above every profile that nobody gave a priority: at boot ours are taken even where an old one stayed enabled.
_PRIORITY = "100"
_UUID = re.compile(r"^uuid=([0-9a-f-]{36})$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What one device shall be; `stands_on` names the devices that must be up before it; `zone` is firewalld's."""

    name: str
    kind: str
    controller: str = ""
    controller_kind: Literal["bridge", "bond"] = "bridge"
    parent: str = ""
    zone: str = ""
    sections: tuple[Section, ...] = ()

    @property
    def stands_on(self) -> tuple[str, ...]:
        """The devices that must be activated before this one."""
        return tuple(name for name in (self.controller, self.parent) if name)

    @property
    def file_name(self) -> str:
        """Its file below system-connections."""
        return f"{self.name}.nmconnection"


def profiles(network: HostNetwork, macs: Mapping[str, str], zones: Mapping[str, str]) -> tuple[Profile, ...]:
    """Return all profiles in the order of activation: masters before slaves, VLANs after what they are on.

    A bridge takes the MAC address of its (first) NIC from the start, so that the DHCP server gives the address that
    the NIC had; otherwise the host would come back under another one. `zones` are the firewall's by bridge: one that
    the NIC had is the bridge's from now on, or what it let in would be shut out.
    """
    bridges = [
        _bridge(segment, macs[network.nics_below(segment)[0]], zones.get(segment.bridge, ""))
        for segment in network.segments
    ]
    controllers = {segment.port: segment.bridge for segment in network.segments}
    bonds = [_bond(name, network, controllers.get(name, "")) for name in network.bonds]
    nics = [_nic(nic, network, controllers) for nic in network.nics]
    vlans = [_vlan(segment) for segment in network.segments if segment.vlan is not None]
    return (*bridges, *bonds, *nics, *vlans)


def keyfile(profile: Profile, uuid: str, *, autoconnect: bool = True) -> str:
    """Render one profile; with `autoconnect` off it comes up only when it is told to."""
    connection = [("id", profile.name), ("uuid", uuid), ("type", profile.kind), ("interface-name", profile.name)]
    if autoconnect:
        connection.append(("autoconnect-priority", _PRIORITY))
    else:
        connection.append(("autoconnect", "false"))
    if profile.zone:
        connection.append(("zone", profile.zone))
    if profile.controller:
        # Since NetworkManager 1.46 they are called 'controller' and 'port-type', and these are still read; before it
        # only these are (docs/decisions/keyfiles-that-every-networkmanager-reads.md).
        connection += [("master", profile.controller), ("slave-type", profile.controller_kind)]
    sections = (("connection", tuple(connection)), *profile.sections)
    return "\n\n".join(_block(name, values) for name, values in sections) + "\n"


def uuid_of(text: str) -> str | None:
    """Return the UUID that a keyfile of imgpipe carries."""
    found = _UUID.search(text)
    return found[1] if found else None


def _block(name: str, values: tuple[tuple[str, str], ...]) -> str:
    return "\n".join((f"[{name}]", *(f"{key}={value}" for key, value in values)))


_NO_ADDRESS: tuple[Section, ...] = (("ipv4", (("method", "disabled"),)), ("ipv6", (("method", "ignore"),)))


def _bridge(segment: Segment, mac: str, zone: str) -> Profile:
    # Not the bridge's own 'mac-address': with it a bridge that is there already, with another one, is refused.
    settings = (("bridge", (("stp", "false"),)), ("ethernet", (("cloned-mac-address", mac.upper()),)))
    return Profile(name=segment.bridge, kind="bridge", zone=zone, sections=(*settings, *_addresses(segment)))


def _addresses(segment: Segment) -> Iterator[Section]:
    values = [("method", "manual" if segment.address else "auto")]
    if segment.address:
        values.append(("address1", f"{segment.address}" + (f",{segment.gateway}" if segment.gateway else "")))
    if segment.dns:
        values.append(("dns", "".join(f"{server};" for server in segment.dns)))
    yield "ipv4", tuple(values)
    yield "ipv6", (("method", "ignore"),)


def _bond(name: str, network: HostNetwork, controller: str) -> Profile:
    settings = ("bond", (("mode", network.bonds[name].mode), ("miimon", "100")))
    return Profile(name=name, kind="bond", controller=controller, sections=(settings, *_NO_ADDRESS))


def _nic(nic: str, network: HostNetwork, controllers: Mapping[str, str]) -> Profile:
    bonds = [name for name, bond in network.bonds.items() if nic in bond.nics]
    if bonds:
        return Profile(name=nic, kind="ethernet", controller=bonds[0], controller_kind="bond", sections=_NO_ADDRESS)
    return Profile(name=nic, kind="ethernet", controller=controllers.get(nic, ""), sections=_NO_ADDRESS)


def _vlan(segment: Segment) -> Profile:
    settings = ("vlan", (("id", str(segment.vlan)), ("parent", segment.nic)))
    return Profile(
        name=segment.port,
        kind="vlan",
        controller=segment.bridge,
        parent=segment.nic,
        sections=(settings, *_NO_ADDRESS),
    )
