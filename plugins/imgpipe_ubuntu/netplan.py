"""The network, as netplan's version 2 mapping (netplan(5))."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from imgpipe.recipe import Nic
from imgpipe.way_out import leaves_its_router

OFFLINE: dict[str, Any] = {"version": 2, "ethernets": {}}
"""No NIC configured: the installer has no default route, so it neither waits for DHCP nor tries a mirror."""

ANY_DHCP: dict[str, Any] = {"version": 2, "ethernets": {"any": {"match": {"name": "e*"}, "dhcp4": True}}}
"""Every Ethernet by DHCP, as user networking serves it, whatever addresses the template shall get."""


def netplan(nics: Sequence[Nic]) -> dict[str, Any]:
    """Return the template's own network; a NIC with both name and MAC is found by the MAC and then named."""
    return {
        "version": 2,
        "ethernets": {nic.name or f"nic{number}": _ethernet(nic, nics) for number, nic in enumerate(nics)},
    }


def _ethernet(nic: Nic, nics: Sequence[Nic]) -> dict[str, Any]:
    ethernet: dict[str, Any] = {}
    if nic.mac:
        ethernet["match"] = {"macaddress": nic.mac}
        if nic.name:
            ethernet["set-name"] = nic.name
    # A boot must not wait two minutes for a DHCP server that is not there (systemd-networkd-wait-online).
    ethernet |= {"dhcp4": True, "optional": True} if nic.address is None else {"dhcp4": False, "dhcp6": False}
    if leaves_its_router(nic, nics):
        ethernet["dhcp4-overrides"] = {"use-routes": False}
    if nic.address:
        ethernet["addresses"] = [str(nic.address)]
    if nic.gateway:
        ethernet["routes"] = [{"to": "default", "via": str(nic.gateway)}]
    if nic.dns:
        ethernet["nameservers"] = {"addresses": [str(server) for server in nic.dns]}
    return ethernet
