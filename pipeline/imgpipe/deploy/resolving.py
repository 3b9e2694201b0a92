"""From a fleet to its machines: every name, address, MAC and size decided; what is there already keeps what it has."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import AddressValueError, IPv4Address, IPv4Interface, NetmaskValueError

from imgpipe.deploy.accounts import account_key
from imgpipe.deploy.addresses import AddressRequest, allocate
from imgpipe.deploy.existing import ExistingMachine, HostFacts
from imgpipe.deploy.fleet import Fleet, Group, place_of
from imgpipe.deploy.fleet_ids import id_of, new_mac, new_uuid
from imgpipe.deploy.names import host_name
from imgpipe.deploy.own_settings import said_in
from imgpipe.deploy.wanted import Identity, Template, WantedFile, WantedMachine, WantedNic, WantedUser
from imgpipe.os_family import Account
from imgpipe.recipe import Machine
from imgpipe.sizes import MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What a run may do beside making and changing: remove what the fleet does not name, make anew what is outdated.

    `minted` is the id for a fleet that has none yet; None where only a deploy will mint it, empty for none at all.
    `only` is the one machine that a run is about, empty for all. `settings` are what machines keep of their own in
    their records; the fleet has it already. `nics_of` says by group where its NICs come from, if nobody named
    them for it.
    """

    prune: bool = False
    rebuild: bool = False
    minted: str | None = ""
    only: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    nics_of: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """Everything that a plan is made from."""

    fleet: Fleet
    templates: Mapping[str, Template]
    facts: HostFacts
    accounts: Mapping[str, Account]
    choices: Choices = field(default_factory=Choices)
    key: bytes = field(default=b"", repr=False)

    @cached_property
    def groups(self) -> dict[str, Group]:
        """Return the groups with the defaults filled in."""
        return {name: self.shapes[name] for name in self.fleet.groups}

    @cached_property
    def shapes(self) -> dict[str, Group]:
        """Return what machines are made by, by place: groups, and machines with keys of their own."""
        return self.fleet.shapes()

    def place(self, name: str) -> str:
        """Return the place of the fleet that a machine is made by."""
        own = place_of(name)
        return own if own in self.shapes else self.named[name]

    def place_key(self, name: str) -> str:
        """Return the table of the fleet's file that a machine is made by."""
        place = self.place(name)
        return f"groups.{place}" if place in self.fleet.groups else place

    def shape(self, name: str) -> Group:
        """Return what a machine is made by."""
        return self.shapes[self.place(name)]

    def key_of(self, name: str, field: str) -> str:
        """Return the key of the fleet's file that says this of a machine: its own, or its group's."""
        own = self.fleet.machines.get(name)
        if field in said_in(self.choices.settings.get(name, "")):
            return f"{name}, as 'machines set' has it: {field}"
        place = place_of(name) if own is not None and field in own.model_fields_set else f"groups.{self.named[name]}"
        return f"{place}.{field}"

    @cached_property
    def named(self) -> dict[str, str]:
        """Return the group of every machine by the machine's name, in order."""
        every = {name: group for group, shape in self.groups.items() for name in shape.machines(group)}
        only = self.choices.only
        return {name: group for name, group in every.items() if only in ("", name)}

    @cached_property
    def own(self) -> dict[str, ExistingMachine]:
        """Return what is there of this fleet, named by it still or not."""
        return {
            found.name: found for found in self.facts.machines if found.record and found.record.fleet == self.fleet.name
        }

    @cached_property
    def fleet_id(self) -> str | None:
        """Return the id that what is new gets its MACs and UUIDs from; None where only the deploy will mint it."""
        return id_of(self.fleet, self.own.values(), self.choices.minted)

    @cached_property
    def others(self) -> tuple[ExistingMachine, ...]:
        """Return the machines that stay beside those of the plan, whoever made them."""
        gone = set(self.own) if self.choices.prune else set()
        return tuple(found for found in self.facts.machines if found.name not in self.named and found.name not in gone)

    @cached_property
    def orphans(self) -> tuple[ExistingMachine, ...]:
        """Return the fleet's own machines that it does not name any more."""
        if self.choices.only:
            return ()
        return tuple(found for name, found in self.own.items() if name not in self.named)


def static_addresses(machine: ExistingMachine) -> tuple[IPv4Interface, ...]:
    """Return the addresses that imgpipe gave to a machine; what is none is passed over."""
    return tuple(_parsed(machine.record.addresses)) if machine.record else ()


def known_addresses(machine: ExistingMachine) -> frozenset[IPv4Address]:
    """Return all IPv4 addresses that a machine is known to have; behind QEMU's own NAT they mean nothing."""
    addresses = frozenset(interface.ip for interface in static_addresses(machine))
    return addresses if any(nic.kind == "user" for nic in machine.nics) else addresses | proven_addresses(machine)


def proven_addresses(machine: ExistingMachine) -> frozenset[IPv4Address]:
    """Return the IPv4 addresses that a guest last said it had."""
    proven = machine.record.proven if machine.record else None
    found = _parsed(proven.addresses) if proven else ()
    return frozenset(interface.ip for interface in found if not _is_nobodys(interface.ip))


def _is_nobodys(address: IPv4Address) -> bool:
    """Say whether no other machine can be at an address: to whoever logs in there, it is his own host, or a group."""
    return address.is_loopback or address.is_unspecified or address.is_multicast or address.is_reserved


def wanted_machines(given: Circumstances) -> tuple[WantedMachine, ...]:
    """Return the machines of the fleet, in its order; groups without a template that is known are left out.

    A network interface for which no address is left is set up by DHCP here: `faults` tells of it.
    """
    addresses = allocate(_requests(given), owners_of_addresses(given))
    macs = {nic.mac for machine in given.facts.machines for nic in machine.nics}
    identities = {place: _shared_identity(given, place, shape) for place, shape in given.shapes.items()}
    return tuple(
        _machine(given, name, identities[given.place(name)], tuple(_nics(given, name, addresses, macs)))
        for name in given.named
        if given.shape(name).template in given.templates
    )


def outdated(given: Circumstances, name: str) -> str:
    """Say why the machine is not what its group's template would give today; empty where it is, or is not there."""
    existing = given.own.get(name)
    template = given.templates.get(given.shape(name).template or "")
    if existing is None or existing.record is None or template is None or not existing.record.complete:
        return ""
    if existing.record.template == template.reference:
        return ""
    return f"it was made from '{existing.record.template}', the template is '{template.reference}' now"


def _machine(given: Circumstances, name: str, identity: Identity, nics: tuple[WantedNic, ...]) -> WantedMachine:
    shape = given.shape(name)
    existing = given.own.get(name)
    template = _template(given, name, given.templates[shape.template or ""])
    kept = _kept(given, name)
    linked = shape.is_linked and (kept is None or kept.record is None or kept.record.linked)
    return WantedMachine(
        name=name,
        uuid=existing.uuid if existing else new_uuid(given.fleet_id, given.fleet.name, name),
        fleet=given.fleet.name,
        group=given.named[name],
        template=template,
        machine=_sized(shape, template, kept),
        cache=shape.cache or template.cache,
        identity=dataclasses.replace(identity, hostname=host_name(name, shape.domain), nics=nics),
        fleet_id=(existing.record.fleet_id if existing and existing.record else "") or given.fleet_id or "",
        linked=linked,
        autostart=shape.autostart,
        start=shape.start,
        settings=given.choices.settings.get(name, ""),
    )


def _kept(given: Circumstances, name: str) -> ExistingMachine | None:
    """Return the machine that is there and whose disk will stay."""
    existing = given.own.get(name)
    if existing is None or existing.record is None or not existing.record.complete:
        return None
    return None if given.choices.rebuild and outdated(given, name) else existing


def _template(given: Circumstances, name: str, asked: Template) -> Template:
    """Return what the machine is made from: for one that stays, what it was made from, pinned or not."""
    kept = _kept(given, name)
    if kept is None or kept.record is None or not outdated(given, name):
        return asked
    reference = kept.record.template
    if known := given.templates.get(reference):
        return known
    # The version is gone from the catalog; the machine is not, and what it was made from stays on record.
    former, _, version = reference.partition("@")
    return dataclasses.replace(asked, name=former, version=version, sha256="")


def _sized(shape: Group, template: Template, kept: ExistingMachine | None) -> Machine:
    """Return the machine's size: what is asked for, else the template's; a disk that is there never shrinks.

    Sizes are whole MiB, because libvirt keeps whole KiB, and what it keeps must compare equal the next time.
    """
    disk = shape.disk or max(template.machine.disk, template.virtual_size, kept.virtual_size if kept else 0)
    update: dict[str, object] = {
        "disk": _whole_mib(disk),
        "memory": _whole_mib(shape.memory or template.machine.memory),
    }
    update |= {"cpus": shape.cpus} if shape.cpus else {}
    update |= {"cache": shape.cache, "cache_reason": shape.cache_reason} if shape.cache else {}
    return template.machine.model_copy(update=update)


def _whole_mib(size: int) -> int:
    return -(-size // MIB) * MIB


def _shared_identity(given: Circumstances, place: str, shape: Group) -> Identity:
    """Return what the guests of a place are told alike; host name and NICs are each one's own."""

    def password_hash(user: str) -> str:
        account = given.accounts.get(account_key(place, user))
        return account.password_hash if account else ""

    identity = Identity(
        hostname="",
        nics=(),
        keys=shape.root.keys,
        password_hash=password_hash("root"),
        password=root.password if (root := given.accounts.get(account_key(place, "root"))) else "",
        users=tuple(
            WantedUser(
                name=user.name,
                comment=user.comment,
                groups=user.groups,
                keys=user.keys,
                password_hash=password_hash(user.name),
            )
            for user in shape.users
        ),
        files=tuple(
            WantedFile(
                path=file.path, text=file.text or "", mode=int(file.mode, 8), owner=file.owner, secret=file.secret
            )
            for file in shape.files
        ),
    )
    return dataclasses.replace(identity, key=given.key) if given.key else identity


def _nics(
    given: Circumstances, name: str, addresses: Mapping[tuple[str, int], IPv4Interface], macs: set[str]
) -> Iterator[WantedNic]:
    """Yield the machine's interfaces; `macs` are taken, and grow."""
    there = given.own[name].nics if name in given.own else ()
    for index, nic in enumerate(given.shape(name).nics):
        address = nic.fixed.get(name) or addresses.get((name, index))
        yield WantedNic(
            kind=nic.kind,
            source=nic.source,
            mac=there[index].mac
            if index < len(there)
            else new_mac(given.fleet_id, given.fleet.name, name, index, macs),
            address=address,
            gateway=nic.gateway if address else None,
            dns=nic.dns if address else (),
        )


def _requests(given: Circumstances) -> Iterator[AddressRequest]:
    fixed = {
        interface.ip: name
        for shape in given.shapes.values()
        for nic in shape.nics
        for name, interface in nic.fixed.items()
    }
    for name in given.named:
        had = static_addresses(given.own[name]) if name in given.own else ()
        for index, nic in enumerate(given.shape(name).nics):
            if nic.range is not None and name not in nic.fixed:
                yield AddressRequest(
                    owner=(name, index),
                    range=nic.range,
                    had=tuple(interface for interface in had if interface.ip not in fixed),
                    reserved=nic.servers,
                )


def owners_of_addresses(given: Circumstances) -> dict[IPv4Address, str]:
    """Return the addresses that no machine may be given newly, and whose each is."""
    owners: dict[IPv4Address, str] = {}
    for shape in given.shapes.values():
        for nic in shape.nics:
            owners |= dict.fromkeys(nic.dns, "a DNS server's")
            owners |= {nic.gateway: "the gateway's"} if nic.gateway else {}
            owners |= {interface.ip: f"fixed for '{name}'" for name, interface in nic.fixed.items()}
    return owners | owners_there(given.others, given.facts)


def owners_there(machines: Iterable[ExistingMachine], facts: HostFacts) -> dict[IPv4Address, str]:
    """Return whose the addresses are that machines and the host itself have, each as the end of a sentence."""
    owners = {address: f"that of '{machine.name}'" for machine in machines for address in known_addresses(machine)}
    return owners | {address: f"this host's own, on '{device}'" for address, device in (facts.addresses or {}).items()}


def _parsed(texts: tuple[str, ...]) -> Iterator[IPv4Interface]:
    for text in texts:
        try:
            yield IPv4Interface(text)
        except (AddressValueError, NetmaskValueError):
            continue
