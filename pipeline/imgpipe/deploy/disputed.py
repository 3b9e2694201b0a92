"""What guests say is theirs though somebody else has it: a neighbour's address or host keys, or this host's own.

Everybody may know a machine's address and the fingerprints of its keys. A guest that tells those of another one, or
hands on connections to it, would have whoever logs in, or an inventory that is played, work on the wrong machine.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import AddressValueError, IPv4Address

from imgpipe.deploy.existing import ExistingMachine
from imgpipe.deploy.host_keys import told_fingerprints
from imgpipe.deploy.reachable import addresses_of
from imgpipe.deploy.resolving import static_addresses

HERE = "this host"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owners:
    """Who has, or says that he has, an address or a fingerprint: names of machines by UUID, and this host by none."""

    addresses: Mapping[IPv4Address, Mapping[str, str]] = field(default_factory=dict)
    fingerprints: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def of_address(self, address: IPv4Address, machine: ExistingMachine) -> str:
        """Return who else has an address; empty where nobody has."""
        return _other(self.addresses.get(address, {}), machine)

    def of_key(self, fingerprint: str, machine: ExistingMachine) -> str:
        """Return who else has a host key; empty where nobody has."""
        return _other(self.fingerprints.get(fingerprint, {}), machine)


NOBODY = Owners()


def owners(machines: Iterable[ExistingMachine], here: Collection[IPv4Address], prints: Collection[str]) -> Owners:
    """Return who has what: `here` are this host's own addresses, `prints` the fingerprints of its host keys.

    What a machine that is off was given by DHCP may be another one's by now.
    """
    addresses: dict[IPv4Address, dict[str, str]] = {address: {"": HERE} for address in here}
    fingerprints: dict[str, dict[str, str]] = {told: {"": HERE} for told in prints}
    for machine in machines:
        static = tuple(interface.ip for interface in static_addresses(machine))
        for address in addresses_of(machine) if machine.active else static:
            addresses.setdefault(address, {})[machine.uuid] = machine.name
        for told in told_fingerprints(machine.record):
            fingerprints.setdefault(told, {})[machine.uuid] = machine.name
    return Owners(addresses=addresses, fingerprints=fingerprints)


def undisputed(machine: ExistingMachine, known: Owners) -> ExistingMachine:
    """Return the machine without those addresses of its guest's word that somebody else has.

    What imgpipe gave it stays: nothing that a neighbour says takes that from it.
    """
    record = machine.record
    if record is None or record.proven is None:
        return machine
    told = tuple(text for text in record.proven.addresses if not _elsewhere(text, machine, known))
    return replace(machine, record=replace(record, proven=replace(record.proven, addresses=told)))


def disputes(machine: ExistingMachine, known: Owners) -> tuple[str, ...]:
    """Return which addresses a guest says it has, and who else has them, as 'ADDRESS, which ... has'."""
    static = {interface.ip for interface in static_addresses(machine)}
    found = ((address, known.of_address(address, machine)) for address in addresses_of(machine))
    return tuple(f"{address}, which {other} has too" for address, other in found if other and address not in static)


def _elsewhere(text: str, machine: ExistingMachine, known: Owners) -> bool:
    try:
        address = IPv4Address(text.partition("/")[0])
    except AddressValueError:
        return False
    return known.of_address(address, machine) != ""


def _other(names: Mapping[str, str], machine: ExistingMachine) -> str:
    found = ((uuid, name) for uuid, name in names.items() if uuid != machine.uuid)
    return next((HERE if not uuid else f"'{name}'" for uuid, name in found), "")
