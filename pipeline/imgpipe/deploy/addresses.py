"""Ranges of IPv4 addresses, and who gets which: what a machine has it keeps, others get the lowest that is free."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema

from imgpipe.schema_rules import RANGE
from imgpipe.usable_addresses import unusable, unusable_in

DHCP = "dhcp"
"""What a command line says where a NIC has no addresses."""
_TOLD = 5


@dataclass(frozen=True, slots=True)
class AddressRange:
    """Addresses from `first` to `last`, both included, of one network."""

    first: IPv4Address
    last: IPv4Address
    network: IPv4Network

    def __contains__(self, interface: IPv4Interface) -> bool:
        """Say whether an address with its prefix could have come from here."""
        return interface.network == self.network and self.first <= interface.ip <= self.last

    def __iter__(self) -> Iterator[IPv4Interface]:
        """Yield every address in order; those that no machine may have are among them."""
        for number in range(int(self.first), int(self.last) + 1):
            yield IPv4Interface((number, self.network.prefixlen))

    def __str__(self) -> str:
        """Return the range as people write it."""
        return f"{self.first}-{self.last}/{self.network.prefixlen}"


def parse_range(text: str) -> AddressRange:
    """Return the range that '10.100.1.10-10.100.1.59/24' means, or '10.100.1.10/24'; raises ValueError."""
    ends, slash, prefix = text.partition("/")
    first, _, last = ends.partition("-")
    if not slash:
        raise ValueError("needs the network's prefix, such as '10.100.1.10-10.100.1.59/24'")
    try:
        start = IPv4Interface(f"{first.strip()}/{prefix.strip()}")
        end = IPv4Address(last.strip()) if last else start.ip
    except ValueError as error:
        raise ValueError(f"is no range of addresses such as '10.100.1.10-10.100.1.59/24': {error}") from None
    if end < start.ip:
        raise ValueError("ends before it begins")
    if end not in start.network:
        raise ValueError(f"leaves the network {start.network}")
    if start.network.prefixlen == 0:
        raise ValueError("has the prefix /0, which is no network")
    for address in (start.ip, end):
        if fault := unusable(address):
            raise ValueError(f"{address} {fault}")
    return AddressRange(start.ip, end, start.network)


def _is_range(text: str) -> str:
    parse_range(text)
    return text


RangeText = Annotated[
    str,
    AfterValidator(_is_range),
    WithJsonSchema(RANGE),
    Field(description="Addresses for the machines, in order: '10.100.1.10-10.100.1.59/24'."),
]


def misuse(interface: IPv4Interface, gateway: IPv4Address | None, dns: Iterable[IPv4Address] = ()) -> str:
    """Return why no machine may have this address, as the end of a sentence; empty where one may."""
    if fault := unusable_in(interface.ip, interface.network):
        return fault
    if interface.ip == gateway:
        return "is the gateway's"
    if interface.ip in dns:
        return "is a DNS server's"
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressRequest:
    """One network interface that wants an address: who it is of, where from, and what it had before.

    `reserved` are addresses that it must not get, such as its gateway's.
    """

    owner: tuple[str, int]
    range: AddressRange
    had: tuple[IPv4Interface, ...] = ()
    reserved: frozenset[IPv4Address] = field(default=frozenset())


def allocate(
    requests: Iterable[AddressRequest], taken: Collection[IPv4Address]
) -> Mapping[tuple[str, int], IPv4Interface]:
    """Give each request an address of its range; those for which none is left are missing from the answer.

    An address had before stays where the range still has it, even if `taken` names it: who has it else is a fault
    for the caller to find, not a reason to move a machine.
    """
    asked = tuple(requests)
    given: dict[tuple[str, int], IPv4Interface] = {}
    used: set[IPv4Address] = set()
    for request in asked:
        for interface in request.had:
            if _fits(interface, request) and interface.ip not in used:
                given[request.owner] = interface
                used.add(interface.ip)
                break
    used |= set(taken)
    # One walk for each range, however many ask: addresses behind it were given away or are of no use to anybody but
    # those who came before.
    walks: dict[tuple[AddressRange, frozenset[IPv4Address]], Iterator[IPv4Interface]] = {}
    # Who takes exactly one address comes before those who may take it out of many.
    for request in sorted(asked, key=lambda one: one.range.first != one.range.last):
        if request.owner in given:
            continue
        walk = walks.setdefault((request.range, request.reserved), iter(request.range))
        for interface in walk:
            if interface.ip not in used and _fits(interface, request):
                given[request.owner] = interface
                used.add(interface.ip)
                break
    return given


def told_owners(span: AddressRange, owners: Mapping[IPv4Address, str]) -> str:
    """Return whose the addresses of a range are, as the end of a sentence: the first few; empty where they are free."""
    found = sorted(address for address in owners if span.first <= address <= span.last)
    told = "".join(f"; {address} is {owners[address]}" for address in found[:_TOLD])
    return f"{told}; {len(found) - _TOLD} more are others'" if len(found) > _TOLD else told


def _fits(interface: IPv4Interface, request: AddressRequest) -> bool:
    return interface in request.range and not misuse(interface, None, request.reserved)
