"""`host.toml`: the network a KVM host shall have, parsed once into frozen types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, WithJsonSchema

from imgpipe.errors import RecipeError
from imgpipe.recipe import InterfaceName, Table
from imgpipe.recipe_files import parse
from imgpipe.schema_rules import ADDRESS, needs
from imgpipe.toml_file import read_toml
from imgpipe.usable_addresses import Interface, Written, unusable, unusable_in

# That nobody can have one is told with all else that contradicts itself.
_Address = Annotated[IPv4Address, Written, WithJsonSchema(ADDRESS)]


class Bond(Table):
    """Several NICs as one; its name is its key in the table `bonds`."""

    nics: Annotated[tuple[InterfaceName, ...], Field(min_length=1)]
    mode: Literal["active-backup", "802.3ad", "balance-rr", "balance-xor", "broadcast", "balance-tlb", "balance-alb"]


class Segment(Table):
    """A bridge, what it stands on, and the host's own address on it; DHCP without `address`."""

    model_config = ConfigDict(json_schema_extra=needs("gateway", "address"))

    bridge: InterfaceName
    nic: InterfaceName = Field(description="A NIC, or the name of a bond of the table 'bonds'.")
    vlan: Annotated[int, Field(ge=1, le=4094)] | None = Field(
        default=None, description="The bridge carries this VLAN of the NIC, untagged."
    )
    address: Interface | None = Field(default=None, description="Static: '10.100.1.1/24'; absent: DHCP.")
    gateway: _Address | None = None
    dns: tuple[_Address, ...] = ()

    @property
    def port(self) -> str:
        """The device that is put into the bridge."""
        return self.nic if self.vlan is None else f"{self.nic}.{self.vlan}"


class Outside(Segment):
    """The network that the host is reached by."""

    bridge: InterfaceName = "br1"
    default_route: bool = Field(default=True, description="false: the DHCP server of this network names no router.")


class Inside(Segment):
    """The network between machines."""

    bridge: InterfaceName = "br2"


class HostNetwork(Table):
    """The network of one host."""

    outside: Outside
    inside: Inside | None = None
    bonds: Mapping[InterfaceName, Bond] = Field(default={})
    confirm_within: Annotated[int, Field(ge=20, le=3600)] = Field(
        default=120, description="Seconds after which an unconfirmed change undoes itself."
    )

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The bridges to be, the outside first."""
        return (self.outside, *((self.inside,) if self.inside else ()))

    @property
    def nics(self) -> tuple[str, ...]:
        """The names of the NICs that are taken over, in order and each once."""
        taken = [nic for segment in self.segments for nic in self.nics_below(segment)]
        return tuple(dict.fromkeys(taken))

    def nics_below(self, segment: Segment) -> tuple[str, ...]:
        """Return the NICs that a bridge stands on."""
        bond = self.bonds.get(segment.nic)
        return bond.nics if bond else (segment.nic,)

    @property
    def goes_by_router(self) -> bool:
        """Whether a default route over the outside bridge is expected."""
        if self.outside.address is None:
            return self.outside.default_route
        return self.outside.gateway is not None


def read(path: Path) -> HostNetwork:
    """Read one file; raises RecipeError with every fault and its key."""
    return checked(read_toml(path, f"The host file '{path}'"), f"The host file '{path.name}'")


def checked(table: dict[str, Any], title: str) -> HostNetwork:
    """Check a table: first the shape of each value, then whether they go together."""
    network = parse(HostNetwork, table, title)
    if found := tuple(contradictions(network)):
        raise RecipeError(f"{title} contradicts itself.", details=found)
    return network


def contradictions(network: HostNetwork) -> Iterator[str]:
    """Yield what cannot all be true of one host, each with its key."""
    yield from _names(network)
    for key, segment in _keyed(network):
        if len(segment.port) > 15:
            yield f"{key}.vlan: the device '{segment.port}' would have more than 15 characters"
        if segment.gateway and not segment.address:
            yield f"{key}.gateway: needs an address; with DHCP it comes from the server"
        if segment.address and segment.gateway and segment.gateway not in segment.address.network:
            yield f"{key}.gateway: {segment.gateway} is not in the network {segment.address.network}"
        yield from _nobodys(key, segment)
    if network.inside and network.inside.gateway and network.goes_by_router:
        yield "inside.gateway: the default route is the outside network's; a host has one"
    if network.inside and network.inside.address and network.outside.address:
        inside, outside = network.inside.address.network, network.outside.address.network
        if inside.overlaps(outside):
            yield f"inside.address: its network {inside} overlaps the outside network {outside}"


def _nobodys(key: str, segment: Segment) -> Iterator[str]:
    """Yield the addresses of a segment that no host, router or name server can have."""
    address, gateway = segment.address, segment.gateway
    if address and (fault := unusable_in(address.ip, address.network)):
        yield f"{key}.address: {address} {fault}"
    if gateway and address and gateway == address.ip:
        yield f"{key}.gateway: {gateway} is the host's own address"
    inside = address and gateway and gateway in address.network
    if gateway and (fault := unusable_in(gateway, address.network) if address and inside else unusable(gateway)):
        yield f"{key}.gateway: {gateway} {fault}"
    yield from (f"{key}.dns: {server} {fault}" for server in segment.dns if (fault := unusable(server)))


def _names(network: HostNetwork) -> Iterator[str]:
    if network.inside and network.inside.port == network.outside.port:
        yield f"inside.nic: '{network.inside.port}' is the outside network's already; give one of them a vlan"
    segments = {segment.bridge for segment in network.segments}
    if len(segments) < len(network.segments):
        yield f"inside.bridge: '{network.outside.bridge}' is the outside network's already"
    for name, bond in network.bonds.items():
        if name not in {segment.nic for segment in network.segments}:
            yield f"bonds.{name}: neither network stands on it"
        if len(set(bond.nics)) < len(bond.nics):
            yield f"bonds.{name}.nics: names a NIC twice"
        used = {other for key, also in network.bonds.items() if key != name for other in also.nics}
        used |= {segment.nic for segment in network.segments}
        yield from (f"bonds.{name}.nics: '{nic}' is used elsewhere too" for nic in bond.nics if nic in used)
    taken = {*network.nics, *network.bonds, *(segment.port for segment in network.segments)}
    for key, segment in _keyed(network):
        if segment.bridge in taken:
            yield f"{key}.bridge: '{segment.bridge}' is the name of a NIC, bond or VLAN too"


def _keyed(network: HostNetwork) -> Iterator[tuple[str, Segment]]:
    yield from zip(("outside", "inside"), network.segments, strict=False)
