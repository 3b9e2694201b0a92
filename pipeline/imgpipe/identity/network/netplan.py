"""netplan's version 2 (netplan(5)), which cloud-init reads as network-config too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from imgpipe.deploy.wanted import WantedNic
from imgpipe.identity.network.files import NetworkFile
from imgpipe.way_out import leaves_its_router


def files(nics: Sequence[WantedNic]) -> tuple[NetworkFile, ...]:
    """Return one file for all NICs; netplan warns of one that others than root can read."""
    text = yaml.safe_dump({"network": network(nics)}, sort_keys=False)
    return (NetworkFile(path="/etc/netplan/50-imgpipe.yaml", text=text, mode=0o600),)


def network(nics: Sequence[WantedNic]) -> dict[str, Any]:
    """Return the mapping; a NIC without an answer from DHCP does not hold up the boot."""
    return {"version": 2, "ethernets": {f"nic{number}": _ethernet(nic, nics) for number, nic in enumerate(nics)}}


def _ethernet(nic: WantedNic, nics: Sequence[WantedNic]) -> dict[str, Any]:
    ethernet: dict[str, Any] = {"match": {"macaddress": nic.mac}}
    if nic.address:
        ethernet |= {"dhcp4": False, "addresses": [str(nic.address)]}
    else:
        ethernet |= {"dhcp4": True, "optional": True}
        if leaves_its_router(nic, nics):
            ethernet["dhcp4-overrides"] = {"use-routes": False}
    if nic.gateway:
        ethernet["routes"] = [{"to": "default", "via": str(nic.gateway)}]
    if nic.dns:
        ethernet["nameservers"] = {"addresses": [str(server) for server in nic.dns]}
    return ethernet
