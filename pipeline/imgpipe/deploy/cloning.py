"""Cloning a machine that is there and shut off: who the clones are, decided and checked before anything is made."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from shlex import quote

from imgpipe.deploy.addresses import AddressRange, AddressRequest, allocate, misuse, told_owners
from imgpipe.deploy.cloned_definition import Source
from imgpipe.deploy.existing import ExistingMachine, HostFacts, MachineRecord
from imgpipe.deploy.resolving import owners_there
from imgpipe.deploy.room import LINKED
from imgpipe.deploy.wanted import Identity, WantedNic
from imgpipe.disk_source import CheckedDisk, Format, check_source, of_definition
from imgpipe.domain_spec import stable_mac
from imgpipe.errors import HostError, RecipeError
from imgpipe.identity.digest import identity_digest
from imgpipe.sizes import show_bytes

_NAMESPACE = uuid.UUID("7b0d4a5c-6f0e-5a5e-9d3b-0c8f4f6d2a11")
# QEMU's flash has 8 MiB at most.
_MOST_VARIABLES = 64 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class CloneOrder:
    """What is asked for: names of clones, and what they shall be told.

    `ranges` are addresses for the NICs, in their order, None for one that asks by DHCP; without any the clones keep the
    source's network settings, or ask for all by DHCP if `dhcp`. Static addresses that are known are kept if
    `same_addresses` says so. `linked` makes overlays on the source's own disk.
    """

    names: tuple[str, ...]
    ranges: tuple[AddressRange | None, ...] = ()
    gateway: IPv4Address | None = None
    dns: tuple[IPv4Address, ...] = ()
    dhcp: bool = False
    same_addresses: bool = False
    keys: tuple[str, ...] = ()
    linked: bool = False

    @property
    def sets_network(self) -> bool:
        """Say whether the clones get network settings of their own."""
        return bool(self.ranges) or self.dhcp

    @property
    def networks(self) -> tuple[AddressRange, ...]:
        """Return the ranges of the NICs that get addresses."""
        return tuple(one for one in self.ranges if one)

    @property
    def first_static(self) -> int:
        """Return which NIC is told the DNS servers: the first with addresses, else the first."""
        return next((index for index, one in enumerate(self.ranges) if one), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clone:
    """A clone to be made; `leftover` is what an interrupted run left of it."""

    name: str
    uuid: str
    macs: tuple[str, ...]
    identity: Identity
    record: MachineRecord
    leftover: ExistingMachine | None = None


def plan_clones(order: CloneOrder, source: Source, used: int, facts: HostFacts) -> tuple[Clone, ...]:
    """Return the clones of `source`, whose disk uses `used` bytes; raises RecipeError with all faults."""
    there = {machine.name: machine for machine in facts.machines}
    faults = [*_name_faults(order, source, facts), *_room_faults(order, used, facts), *_network_faults(order, source)]
    faults += _repeated(order, there.get(source.name))
    leftovers = {name: there[name] for name in order.names if name in there and _is_leftover(there[name], source)}
    others = [machine for machine in facts.machines if machine.name not in leftovers]
    owners = _reserved(order) | owners_there(others, facts)
    addresses = allocate(_requests(order), owners)
    for request in _requests(order):
        if request.owner not in addresses:
            name, index = request.owner
            faults.append(f"'{name}': no address is left for NIC {index + 1}{told_owners(request.range, owners)}")
    if faults:
        raise RecipeError(f"'{source.name}' is not cloned; nothing was touched.", details=faults)
    macs = {nic.mac.lower() for machine in others for nic in machine.nics}
    clones = []
    for name in order.names:
        own = tuple(_mac(source, name, index, macs) for index in range(len(source.macs)))
        nics = tuple(_nic(order, mac, index, addresses.get((name, index))) for index, mac in enumerate(own))
        identity = Identity(hostname=name, nics=nics if order.sets_network else (), keys=order.keys)
        clones.append(
            Clone(
                name=name,
                uuid=str(uuid.uuid5(_NAMESPACE, f"{source.uuid}/{source.name}/{name}")),
                macs=own,
                identity=identity,
                record=_record(order, source, name, identity, facts.pool),
                leftover=leftovers.get(name),
            )
        )
    return tuple(clones)


def check_source_machine(
    source: Source, *, active: bool, local: bool, trusted: Sequence[Path], images: Path | None = None
) -> CheckedDisk:
    """Return the disk of a machine with its backing files, if it may be cloned; raises RecipeError or HostError.

    Backing files must be below a `trusted` folder, or be images published in `images`.
    """
    if active:
        raise RecipeError(
            f"The machine '{source.name}' is running.", hint=f"Shut it off: 'virsh shutdown {quote(source.name)}'."
        )
    if not local:
        raise HostError(
            "Machines can only be cloned where the storage pool is a folder of this host.",
            hint="Run imgpipe on the hypervisor, or make an image of the machine there: 'imgpipe import "
            f"{quote(source.name)} --domain {quote(source.name)}'.",
        )
    if source.disk_format not in ("qcow2", "raw"):
        raise RecipeError(f"The disk of '{source.name}' is of the format '{source.disk_format}', not qcow2 or raw.")
    # As the definition says: whatever a guest wrote to a raw disk is no header.
    form: Format = "raw" if source.disk_format == "raw" else "qcow2"
    return check_source(of_definition(source.disk), form, trusted=trusted, images=images)


def check_variables(source: Source) -> CheckedDisk | None:
    """Return the file of a machine's UEFI variables, None if there is none (yet).

    Raises RecipeError for one that may not be copied: it is a file, no link of somebody else, and small.
    """
    if source.nvram is None or not source.nvram.exists():
        return None
    try:
        checked = check_source(of_definition(source.nvram), "qcow2" if source.nvram_format == "qcow2" else "raw")
        if checked.layers[0].size > _MOST_VARIABLES:
            raise RecipeError(f"'{source.nvram}' has {show_bytes(checked.layers[0].size)}.", hint="Is it another file?")
    except RecipeError as error:
        raise RecipeError(
            f"The UEFI variables of '{source.name}' cannot be copied: {error}", hint=error.hint, details=error.details
        ) from error
    return checked


def fleet_of(source: str) -> str:
    """Return the fleet that the clones of a machine are listed under; no fleet file can have that name."""
    return f"clones of {source}"


def _record(order: CloneOrder, source: Source, name: str, identity: Identity, pool: str) -> MachineRecord:
    return MachineRecord(
        fleet=fleet_of(source.name),
        group="clones",
        template=source.name,
        linked=order.linked,
        identity=identity_digest(identity),
        hostname=name,
        addresses=tuple(str(nic.address) for nic in identity.nics if nic.address),
        pool=pool,
        disk=f"{name}.qcow2",
        complete=False,
    )


def _is_leftover(machine: ExistingMachine, source: Source) -> bool:
    record = machine.record
    return record is not None and not record.complete and record.fleet == fleet_of(source.name)


def _name_faults(order: CloneOrder, source: Source, facts: HostFacts) -> Iterator[str]:
    there = {machine.name: machine for machine in facts.machines}
    for name in order.names:
        if order.names.count(name) > 1:
            yield f"'{name}' is asked for twice"
        elif name in there and not _is_leftover(there[name], source):
            yield f"'{name}': there is a machine of that name"
        elif name not in there:
            volumes = {f"{name}.qcow2", f"{name}-seed.iso"} & facts.volumes
            yield from (f"'{name}': the pool '{facts.pool}' has a volume '{volume}'" for volume in sorted(volumes))


def _room_faults(order: CloneOrder, used: int, facts: HostFacts) -> Iterator[str]:
    wanted = (LINKED + (0 if order.linked else used)) * len(order.names)
    if wanted > facts.pool_free:
        yield f"the pool '{facts.pool}' has {show_bytes(facts.pool_free)} left; {show_bytes(wanted)} are needed"


def _repeated(order: CloneOrder, source: ExistingMachine | None) -> Iterator[str]:
    """Find static addresses of the source's that its clones would have, too."""
    known = source.record.addresses if source and source.record else ()
    if known and not (order.sets_network or order.same_addresses):
        yield (
            f"the source has static addresses, which its clones would have too: {', '.join(known)}; give "
            "'--addresses' a NIC each ('dhcp' is an answer), '--dhcp', or '--same-addresses' where that is meant"
        )


def _network_faults(order: CloneOrder, source: Source) -> Iterator[str]:
    asked = {"--addresses": order.ranges, "--dhcp": order.dhcp, "--same-addresses": order.same_addresses}
    said = [f"'{option}'" for option, there in asked.items() if there]
    if len(said) > 1:
        yield f"{' and '.join(said)} contradict one another: give one"
    if len(order.ranges) > len(source.macs):
        yield f"there are {len(order.ranges)} ranges of addresses for {len(source.macs)} NICs"
    if order.gateway and not any(order.gateway in one.network for one in order.networks):
        yield f"the gateway {order.gateway} is in none of the networks"
    for one in order.networks:
        if (
            order.gateway
            and order.gateway in one.network
            and (wrong := misuse(IPv4Interface((order.gateway, one.network.prefixlen)), None))
        ):
            yield f"the gateway {order.gateway} {wrong}"
        if one.first == one.last and (
            fault := misuse(IPv4Interface((one.first, one.network.prefixlen)), order.gateway)
        ):
            yield f"{one.first} {fault}"


def _reserved(order: CloneOrder) -> dict[IPv4Address, str]:
    """Return the addresses that the order itself gives to others, and whose each is."""
    gateway = {order.gateway: "the gateway's"} if order.gateway else {}
    return dict.fromkeys(order.dns, "a DNS server's") | gateway


def _requests(order: CloneOrder) -> Sequence[AddressRequest]:
    reserved = frozenset(_reserved(order))
    return [
        AddressRequest(owner=(name, index), range=one, reserved=reserved)
        for name in order.names
        for index, one in enumerate(order.ranges)
        if one
    ]


def _mac(source: Source, name: str, index: int, taken: set[str]) -> str:
    for attempt in range(1000):
        mac = stable_mac("clone", source.uuid, source.name, name, str(index), str(attempt))
        if mac not in taken:
            taken.add(mac)
            return mac
    raise RecipeError("No MAC address is free.")


def _nic(order: CloneOrder, mac: str, index: int, address: IPv4Interface | None) -> WantedNic:
    """Return a NIC as the guest sees it; where it is plugged in stays as in the source's definition."""
    near = address is not None and order.gateway is not None and order.gateway in address.network
    return WantedNic(
        kind="network",
        mac=mac,
        address=address,
        gateway=order.gateway if near else None,
        dns=order.dns if index == order.first_static else (),
    )
