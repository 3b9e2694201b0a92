"""Which IPv4 addresses a machine can have: one decision for recipes, fleets, clones and hosts."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from imgpipe.schema_rules import ADDRESS, INTERFACE

_NOBODYS = {
    IPv4Network("0.0.0.0/8"): "is of 0.0.0.0/8, which no machine can have",
    IPv4Network("127.0.0.0/8"): "is a loopback address",
    IPv4Network("224.0.0.0/4"): "is a multicast address",
    IPv4Network("255.255.255.255/32"): "is the broadcast address of every network",
    IPv4Network("240.0.0.0/4"): "is of 240.0.0.0/4, which is reserved",
}


def unusable(address: IPv4Address) -> str:
    """Return why an address is nobody's, as the end of a sentence; empty where a machine can have it."""
    return next((reason for network, reason in _NOBODYS.items() if address in network), "")


def unusable_in(address: IPv4Address, network: IPv4Network) -> str:
    """Return why an address is nobody's in its network, as the end of a sentence; empty where one can have it."""
    if nobodys := unusable(address):
        return nobodys
    if network.prefixlen == 0:
        return "has the prefix /0, which is no network"
    if network.prefixlen < 31 and address == network.network_address:
        return f"is the address of the network {network} itself"
    if network.prefixlen < 31 and address == network.broadcast_address:
        return f"is the broadcast address of {network}"
    return ""


def usable_address(address: IPv4Address) -> IPv4Address:
    """Return the address; raises ValueError for one that no machine can have."""
    if fault := unusable(address):
        raise ValueError(f"{address} {fault}")
    return address


def usable_interface(interface: IPv4Interface) -> IPv4Interface:
    """Return the address with its prefix; raises ValueError for one that no machine can have."""
    if fault := unusable_in(interface.ip, interface.network):
        raise ValueError(f"{interface.ip} {fault}")
    return interface


def check_gateway(gateway: IPv4Address, interface: IPv4Interface) -> None:
    """Raise ValueError for a gateway that a machine with this address cannot have."""
    if gateway not in interface.network:
        raise ValueError(f"the gateway {gateway} is not in the network {interface.network}")
    if gateway == interface.ip:
        raise ValueError(f"the gateway {gateway} is the machine's own address")
    if fault := unusable_in(gateway, interface.network):
        raise ValueError(f"the gateway {gateway} {fault}")


def _written(value: object) -> object:
    """Refuse numbers and booleans, of which `ipaddress` would make addresses such as 0.0.0.1."""
    if isinstance(value, bool | int | float):
        raise ValueError("must be an IPv4 address in quotes, such as '10.100.1.10'")
    return value


def _with_prefix(value: object) -> object:
    """Refuse an address alone: `ipaddress` would take it for one of a network in which nobody else is, a /32."""
    if isinstance(value, str) and "/" not in value:
        raise ValueError("needs the network's prefix, such as '10.100.1.10/24'")
    return value


Written = BeforeValidator(_written)
"""Stands where an address is read from a file, which has it as text."""
UsableAddress = Annotated[IPv4Address, Written, AfterValidator(usable_address), WithJsonSchema(ADDRESS)]
Interface = Annotated[IPv4Interface, Written, BeforeValidator(_with_prefix), WithJsonSchema(INTERFACE)]
"""An address with its prefix, which must be said: '10.100.1.10/24'."""
UsableInterface = Annotated[Interface, AfterValidator(usable_interface)]
