"""What is to be changed on one host, decided before anything is touched."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from shlex import quote

from imgpipe.errors import HostError
from imgpipe.host.network.facts import HostFacts, Link, StoredProfile
from imgpipe.host.network.keyfiles import Profile, keyfile, profiles, uuid_of
from imgpipe.host.network.wanted import HostNetwork

# firewalld itself allows no other names (firewalld.zone(5)); a keyfile would take another one for more than a value.
_ZONE = re.compile(r"[A-Za-z0-9_/-]{0,64}")
_ETHERNET_MTU = 1500
FOLDER = "/etc/NetworkManager/system-connections"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedProfile:
    """A profile, the UUID it has or gets, and whether it must be written and activated."""

    profile: Profile
    uuid: str
    is_new: bool
    activate: bool

    @property
    def path(self) -> str:
        """Where it stands once it is confirmed."""
        return f"{FOLDER}/{self.profile.file_name}"

    @property
    def text(self) -> str:
        """The keyfile as it stands there."""
        return keyfile(self.profile, self.uuid)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkPlan:
    """The profiles in the order of activation, and the old ones that make room for them.

    `lost` says what the devices have now and the profiles do not set.
    """

    network: HostNetwork
    profiles: tuple[PlannedProfile, ...]
    replaced: tuple[StoredProfile, ...]
    lost: tuple[str, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.replaced) or any(planned.is_new or planned.activate for planned in self.profiles)

    @property
    def zones(self) -> dict[str, str]:
        """The firewall's zone that each bridge's profile names, empty for the default one."""
        return {item.profile.name: item.profile.zone for item in self.profiles if item.profile.kind == "bridge"}


def make_plan(network: HostNetwork, facts: HostFacts, new_uuid: Callable[[], str]) -> NetworkPlan:
    """Decide what changes; a profile that is there already and reads the same stays as it is.

    Raises HostError with every reason why this host cannot have this network.
    """
    if found := tuple(obstacles(network, facts)):
        raise HostError("This host cannot have that network.", details=found, hint="'ip link' shows its devices.")
    macs = {nic: link.mac for nic in network.nics if (link := facts.link(nic))}
    zones = {one.bridge: facts.zone_of((one.bridge, one.port, *network.nics_below(one))) for one in network.segments}
    planned = tuple(_planned(profiles(network, macs, zones), facts, new_uuid))
    return NetworkPlan(
        network=network,
        profiles=planned,
        replaced=tuple(sorted(_replaced(planned, facts), key=lambda stored: stored.name)),
        lost=tuple(losses(network, facts)) if any(item.activate for item in planned) else (),
    )


def losses(network: HostNetwork, facts: HostFacts) -> Iterator[str]:
    """Yield what the devices have that a host file cannot say: IPv6 addresses, and an MTU that is not Ethernet's."""
    taken = (*network.nics, *network.bonds, *(segment.bridge for segment in network.segments))
    above = (link.controller for name in network.nics if (link := facts.link(name)))
    for link in filter(None, map(facts.link, dict.fromkeys((*taken, *above)))):
        if link.addresses6:
            yield (
                f"'{link.name}' has {', '.join(link.addresses6)}, and no IPv6 address is carried over: the bridge "
                "takes what routers announce, and others are to be set on it by hand."
            )
        if link.mtu != _ETHERNET_MTU and link.is_ethernet:
            yield f"'{link.name}' has an MTU of {link.mtu}, which is not carried over: set it on NIC and bridge anew."


def obstacles(network: HostNetwork, facts: HostFacts) -> Iterator[str]:
    """Yield what of the host stands in the way, each with the name of the device."""
    for nic in network.nics:
        link, device = facts.link(nic), facts.device(nic)
        if link is None:
            yield f"{nic}: there is no such NIC; the host has {_names(facts)}"
        elif not link.is_ethernet or link.kind not in {"", "veth"}:
            yield f"{nic}: is no Ethernet NIC ({link.kind or 'another kind of device'}), so no bridge takes it"
        elif device is None or not device.managed:
            yield f"{nic}: NetworkManager does not manage it ('nmcli device set {quote(nic)} managed yes' changes that)"
        elif link.controller and not _taken_over(link, network, facts):
            yield f"{nic}: is part of '{link.controller}', which is not NetworkManager's"
        elif not _ZONE.fullmatch(zone := facts.zone_of((nic,))):
            yield f"{nic}: the firewall's zone of its profile, {zone!r}, is no name of a zone"
    for segment in network.segments:
        link = facts.link(segment.bridge)
        if link and link.kind != "bridge":
            yield f"{segment.bridge}: is a device already, and no bridge"


def _taken_over(link: Link, network: HostNetwork, facts: HostFacts) -> bool:
    """Say whether what a NIC is part of will be ours, or is NetworkManager's to take apart."""
    ours = {*network.bonds, *(segment.bridge for segment in network.segments)}
    device = facts.device(link.controller)
    return link.controller in ours or bool(device and device.managed)


def _names(facts: HostFacts) -> str:
    return ", ".join(link.name for link in facts.links if link.is_ethernet and link.kind in {"", "veth"}) or "none"


def _planned(wanted: tuple[Profile, ...], facts: HostFacts, new_uuid: Callable[[], str]) -> Iterator[PlannedProfile]:
    known = {stored.uuid for stored in facts.stored}
    present = dict(facts.keyfiles)
    touched: set[str] = set()
    for profile in wanted:
        text = present.get(profile.file_name, "")
        uuid = uuid_of(text)
        kept = uuid is not None and uuid in known and text == keyfile(profile, uuid)
        # What a device stands on being activated anew throws the device out of it.
        activate = not kept or not facts.is_active(uuid or "") or bool(touched.intersection(profile.stands_on))
        if activate:
            touched.add(profile.name)
        yield PlannedProfile(
            profile=profile,
            uuid=uuid if kept and uuid else new_uuid(),
            is_new=not kept,
            activate=activate,
        )


def _replaced(planned: tuple[PlannedProfile, ...], facts: HostFacts) -> Iterator[StoredProfile]:
    """Yield the profiles that would take one of our devices again at the next boot."""
    ours = {item.uuid for item in planned}
    names = {item.profile.name for item in planned}
    macs = {link.mac.lower() for link in facts.links if link.name in names and link.kind in {"", "veth"}}
    active = {device.profile for device in facts.devices if device.name in names}
    for stored in facts.stored:
        if stored.uuid in ours or not stored.autoconnect:
            continue
        if stored.interface in names or stored.uuid in active or (stored.mac and stored.mac.lower() in macs):
            yield stored
