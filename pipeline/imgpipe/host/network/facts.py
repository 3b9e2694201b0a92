"""What is known of a host's network before it is changed or judged: plain records that adapters fill."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A network device as the kernel sees it; `port_state` is that of a bridge's port ('forwarding', 'disabled').

    `addresses` are those of IPv4, `addresses6` those of IPv6, of global scope and with their prefixes; `mtu` is in
    bytes.
    """

    name: str
    mac: str
    kind: str = ""
    is_ethernet: bool = True
    is_up: bool = True
    controller: str = ""
    port_state: str = ""
    addresses: tuple[str, ...] = ()
    addresses6: tuple[str, ...] = ()
    mtu: int = 1500


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A default route of IPv4."""

    device: str
    gateway: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A network device as NetworkManager sees it; `profile` is the UUID of what is active on it."""

    name: str
    managed: bool
    profile: str = ""
    activated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredProfile:
    """A profile that NetworkManager has, from whatever source.

    `file` is empty where it has none, and `zone`, which is firewalld's, where it is the default zone.
    """

    uuid: str
    name: str
    interface: str = ""
    mac: str = ""
    autoconnect: bool = True
    file: str = ""
    zone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """A host's network at one moment; `keyfiles` are the texts in /etc by file name, as far as they concern us."""

    links: tuple[Link, ...] = ()
    routes: tuple[Route, ...] = ()
    devices: tuple[Device, ...] = ()
    stored: tuple[StoredProfile, ...] = ()
    keyfiles: tuple[tuple[str, str], ...] = ()

    def link(self, name: str) -> Link | None:
        """Return one device, or None."""
        return next((link for link in self.links if link.name == name), None)

    def device(self, name: str) -> Device | None:
        """Return what NetworkManager knows of one device, or None."""
        return next((device for device in self.devices if device.name == name), None)

    def zone_of(self, names: Iterable[str]) -> str:
        """Return the firewall's zone of the first of these devices whose active profile has one; else nothing."""
        zones = {stored.uuid: stored.zone for stored in self.stored}
        active = (device.profile for name in names if (device := self.device(name)))
        return next((zone for uuid in active if (zone := zones.get(uuid, ""))), "")

    def is_active(self, uuid: str) -> bool:
        """Say whether a profile is active and has come up."""
        return any(device.profile == uuid and device.activated for device in self.devices)
