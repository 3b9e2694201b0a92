"""The devices of this process's own network namespace, as ip(8) tells of them, and whether a gateway answers."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

from imgpipe.adapters import process
from imgpipe.errors import HostError
from imgpipe.host.network.facts import Link, Route

# The port of discard: any datagram makes the kernel ask for the neighbour's address.
_DISCARD = 9
# delay_first_probe_time (5 s) and three probes (ucast_solicit) of a second each, arp(7).
_LONGEST_S = 9.0
_ANSWERED = {"REACHABLE", "PERMANENT", "NOARP"}


def links() -> tuple[Link, ...]:
    """Return every device with its addresses of global scope and its MTU."""
    told = json.loads(process.run("ip", "-json", "-details", "address", "show", timeout_s=30) or "[]")
    return tuple(_link(entry) for entry in told if entry.get("ifname"))


def default_routes() -> tuple[Route, ...]:
    """Return the default routes of IPv4, the one that is used first."""
    told = json.loads(process.run("ip", "-json", "-4", "route", "show", "default", timeout_s=30) or "[]")
    told.sort(key=lambda route: int(route.get("metric", 0)))
    return tuple(Route(device=route["dev"], gateway=route.get("gateway", "")) for route in told if route.get("dev"))


def plug(port: str, bridge: str) -> None:
    """Put a device into a bridge."""
    process.run("ip", "link", "set", "dev", port, "master", bridge, timeout_s=30)


def answers(gateway: str, device: str) -> bool:
    """Say whether a neighbour answers ARP, which no firewall turns off; takes up to 9 s where it does not."""
    end = time.monotonic() + _LONGEST_S
    while True:
        _send_datagram(gateway)
        try:
            told = json.loads(process.run("ip", "-json", "neigh", "show", gateway, "dev", device, timeout_s=30) or "[]")
        except HostError:
            if not _is_there(device):
                # The change was rolled back meanwhile, on a slow host: nobody answers on what is gone.
                return False
            raise
        states = {state for entry in told for state in entry.get("state", ())}
        if states & _ANSWERED or time.monotonic() > end:
            return bool(states & _ANSWERED)
        time.sleep(0.3)


def _is_there(device: str) -> bool:
    try:
        socket.if_nametoindex(device)
    except OSError:
        return False
    return True


def _send_datagram(address: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        try:
            sender.sendto(b"", (address, _DISCARD))
        except OSError:
            # No route, or the neighbour was just found missing: the neighbour's state says it.
            return


def _link(entry: dict[str, Any]) -> Link:
    info = entry.get("linkinfo", {})
    return Link(
        name=entry["ifname"],
        # The ports of a bond all show the bond's address; their own is the permanent one.
        mac=entry.get("permaddr") or entry.get("address", ""),
        kind=info.get("info_kind", ""),
        is_ethernet=entry.get("link_type") == "ether",
        is_up="UP" in entry.get("flags", ()),
        controller=entry.get("master", ""),
        port_state=info.get("info_slave_data", {}).get("state", "") if info.get("info_slave_kind") == "bridge" else "",
        addresses=_addresses(entry, "inet"),
        addresses6=_addresses(entry, "inet6"),
        mtu=int(entry.get("mtu", 1500)),
    )


def _addresses(entry: dict[str, Any], family: str) -> tuple[str, ...]:
    """Return a device's addresses of one family, those that change every day (RFC 8981) left out."""
    return tuple(
        f"{item['local']}/{item['prefixlen']}"
        for item in entry.get("addr_info", ())
        if item.get("family") == family
        and item.get("scope") == "global"
        and "local" in item
        and not item.get("temporary")
    )
