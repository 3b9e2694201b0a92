"""Everything that can be wrong with a fleet before anything is touched, each fault with its key or its machine."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator
from shlex import quote

from imgpipe.deploy.addresses import AddressRange, told_owners
from imgpipe.deploy.existing import ExistingMachine
from imgpipe.deploy.fleet import Group, GroupNic, place_of
from imgpipe.deploy.fleet_ids import recorded_ids
from imgpipe.deploy.names import COMPUTER_NAME, LONGEST_HOST_NAME, computer_name
from imgpipe.deploy.resolving import Circumstances, known_addresses, owners_of_addresses
from imgpipe.deploy.wanted import WantedMachine
from imgpipe.errors import RecipeError
from imgpipe.identity.carriage import carry
from imgpipe.sizes import exact_bytes

_SHOWN = 5


def fleet_faults(given: Circumstances) -> Iterator[str]:
    """Yield what is wrong with the fleet itself, machine by machine not yet looked at."""
    yield from _id_faults(given)
    seen: dict[str, str] = {}
    for group, shape in given.groups.items():
        if shape.template is None:
            yield f"groups.{group}.template: is missing, and the defaults name none either"
        for name in shape.machines(group):
            if name in seen:
                where = "twice in this group" if seen[name] == group else f"in the group '{seen[name]}' too"
                yield f"groups.{group}: the machine '{name}' is {where}"
            seen[name] = group
        why = _of_nobody(given.choices.nics_of.get(group, ""))
        yield from _shape_faults(given, shape, shape.machines(group), f"groups.{group}", why)
    for name, own in given.fleet.machines.items():
        if name in given.named:
            # What it does not say itself is its group's, where it was looked at.
            said = {"cache": own.cache, "nics": own.nics if "nics" in own.model_fields_set else ()}
            yield from _shape_faults(given, given.shape(name).model_copy(update=said), (name,), place_of(name))
        else:
            yield f"{place_of(name)}: the fleet has no such machine{_nearest(name, given.named)}"


def _shape_faults(given: Circumstances, shape: Group, names: tuple[str, ...], key: str, why: str = "") -> Iterator[str]:
    template = given.templates.get(shape.template or "")
    # Where the template is missing, which is told, nobody knows what its policy is.
    if template and shape.cache not in (None, template.cache, "writeback") and not shape.cache_reason:
        yield f"{key}.cache: '{shape.cache}' departs from the policy, '{template.cache}'; say why in cache_reason"
    for index, nic in enumerate(shape.nics):
        yield from _plug_faults(given, nic, f"{key}.nics.{index}", why)
        yield from _fixed_faults(names, nic, f"{key}.nics.{index}")


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean '{near[0]}'?" if near else ""


def machine_faults(given: Circumstances, machines: tuple[WantedMachine, ...]) -> Iterator[str]:
    """Yield what is wrong with the machines, among themselves and beside those that libvirt has."""
    yield from _stranger_faults(given, machines)
    yield from _address_faults(given, machines)
    yield from _host_name_faults(given, machines)
    yield from _computer_name_faults(given, machines)
    macs = [(nic.mac, machine.name) for machine in machines for nic in machine.identity.nics]
    yield from _clashes("MAC address", macs, _there(given, lambda one: {nic.mac for nic in one.nics}))
    uuids = [(machine.uuid, machine.name) for machine in machines]
    yield from _clashes("UUID", uuids, _there(given, lambda one: {one.uuid}))
    yield from _memory_faults(given, machines)
    yield from _disk_faults(given, machines)
    yield from _carriage_faults(given, machines)
    yield from _own_file_faults(given, machines)


def listed(names: Iterable[str]) -> str:
    """Return names for a sentence: the first few, and how many more there are."""
    every = tuple(names)
    shown = ", ".join(f"'{name}'" for name in every[:_SHOWN])
    return f"{shown} and {len(every) - _SHOWN} more" if len(every) > _SHOWN else shown


def _id_faults(given: Circumstances) -> Iterator[str]:
    """Find ids that machines of two hosts brought together; which of them goes on is for the operator to say."""
    found = recorded_ids(given.own.values())
    if len(found) > 1 and not given.fleet.id:
        told = "; ".join(f"'{carried}' ({listed(names)})" for carried, names in found.items())
        yield (
            f"id: the fleet's machines carry different ids: {told}; pin the one that new machines shall follow from "
            "(with 'id' in the fleet's file, or '--fleet-id'); what is there keeps its MAC addresses and UUID"
        )


def _of_nobody(where: str) -> str:
    return f", which {where} has; '--bridge', or 'nics' in a fleet's file, name another" if where else ""


def _plug_faults(given: Circumstances, nic: GroupNic, key: str, why: str) -> Iterator[str]:
    facts = given.facts
    if nic.bridge and facts.bridges is not None and nic.bridge not in facts.bridges:
        known = _choice(facts.bridges) or "; 'imgpipe host network plan' says how bridges are made"
        yield f"{key}.bridge: the host has no bridge '{nic.bridge}'{why}{known}"
    if nic.network and nic.network not in facts.networks:
        known = _choice(facts.networks) or f"; 'virsh net-start {quote(nic.network)}' starts it where it is defined"
        yield f"{key}.network: libvirt has no active network '{nic.network}'{why}{known}"


def _choice(names: frozenset[str]) -> str:
    return f"; there are {listed(sorted(names))}" if names else ""


def _fixed_faults(names: tuple[str, ...], nic: GroupNic, key: str) -> Iterator[str]:
    if unknown := [name for name in nic.fixed if name not in names]:
        yield f"{key}.fixed: {listed(unknown)} is no machine of this group"
    if nic.fixed and nic.range is None and (without := [name for name in names if name not in nic.fixed]):
        yield f"{key}.fixed: {listed(without)} has no address, and there are no 'addresses' to take one from"


def _stranger_faults(given: Circumstances, machines: tuple[WantedMachine, ...]) -> Iterator[str]:
    there = {machine.name: machine for machine in given.facts.machines}
    records = [machine.record for machine in given.own.values() if machine.record]
    own = {volume for record in records for volume in (record.disk, record.seed)}
    for machine in machines:
        found = there.get(machine.name)
        if found is not None and found.record is None:
            why = f": {found.stranger}; 'virsh domrename' gives it another name" if found.stranger else ""
            yield f"{machine.name}: libvirt has a machine of this name that imgpipe did not make{why}"
        elif found is not None and found.record and found.record.fleet != machine.fleet:
            yield f"{machine.name}: a machine of this name belongs to the fleet '{found.record.fleet}'"
        elif machine.name not in given.own:
            yield from _leftover_faults(given, machine.name, own)
    yield from _renamed_faults(given)


def _leftover_faults(given: Circumstances, name: str, own: Collection[str]) -> Iterator[str]:
    """Find volumes that a new machine would have, all at once; those of a renamed one are its own."""
    for volume in (f"{name}.qcow2", f"{name}-seed.iso"):
        if volume in given.facts.volumes and volume not in own:
            yield (
                f"{name}: in the pool '{given.facts.pool}' is a volume '{volume}' that no machine of this fleet has; "
                f"if nobody needs it, 'imgpipe machines destroy --leftover "
                f"{quote(given.facts.pool)}/{quote(volume)}' removes it"
            )


def _renamed_faults(given: Circumstances) -> Iterator[str]:
    """Find the fleet's machines that were renamed, and those whose disk is gone: both are for the operator to mend."""
    for name, found in given.own.items():
        first = found.record.disk.removesuffix(".qcow2") if found.record else name
        if first != name and (first in given.named or name in given.named):
            yield (
                f"{first}: the machine was renamed to '{name}'; 'virsh domrename {quote(name)} {quote(first)}' "
                f"undoes that, 'imgpipe machines forget {quote(name)}' takes it out of the fleet"
            )
        if found.disk_missing and found.record and found.record.complete and name in given.named:
            yield (
                f"{name}: its disk '{found.disk}' is missing; put it back, or 'imgpipe machines destroy "
                f"{quote(name)}' and deploy again"
            )


def _address_faults(given: Circumstances, machines: tuple[WantedMachine, ...]) -> Iterator[str]:
    owners = owners_of_addresses(given)
    short: defaultdict[tuple[str, AddressRange], list[str]] = defaultdict(list)
    given_to = []
    for machine in machines:
        shape = given.shape(machine.name)
        for index, (nic, wanted) in enumerate(zip(machine.identity.nics, shape.nics, strict=True)):
            if nic.address is not None:
                given_to.append((nic.address.ip, machine.name))
            elif wanted.range:
                short[f"{given.key_of(machine.name, 'nics')}.{index}.addresses", wanted.range].append(machine.name)
    owners |= {address: f"that of '{name}'" for address, name in given_to}
    for (key, span), names in short.items():
        yield f"{key}: no address is left for {listed(names)}{told_owners(span, owners)}"
    for address, name in given_to:
        if device := (given.facts.addresses or {}).get(address):
            yield f"{name}: the address {address} is this host's own, on '{device}'"
    yield from _clashes("address", given_to, _there(given, known_addresses))


def _host_name_faults(given: Circumstances, machines: tuple[WantedMachine, ...]) -> Iterator[str]:
    for machine in machines:
        name = machine.identity.hostname
        if len(name) > LONGEST_HOST_NAME:
            yield f"{machine.name}: the host name '{name}' has more than {LONGEST_HOST_NAME} characters"
    wanted = [(machine.identity.hostname, machine.name) for machine in machines]
    yield from _clashes("host name", wanted, _there(given, _host_names))


def _host_names(machine: ExistingMachine) -> set[str]:
    if machine.record is None:
        return set()
    return {machine.record.hostname} | ({machine.record.proven.hostname} if machine.record.proven else set())


def _computer_name_faults(given: Circumstances, machines: tuple[WantedMachine, ...]) -> Iterator[str]:
    """Check the names that Windows makes of ours; it knows 15 characters, and refuses a number for a name."""
    windows = [machine for machine in machines if machine.template.personalise.is_windows]
    for machine in windows:
        if computer_name(machine.name).isdigit():
            yield f"{machine.name}: Windows takes no computer name of digits alone"
    names = [(computer_name(machine.name), machine.name) for machine in windows]
    there = _there(given, lambda one: {computer_name(name.partition(".")[0]) for name in _host_names(one)})
    yield from _clashes(f"computer name ({COMPUTER_NAME} characters count)", names, there)


def _memory_faults(given: Circumstances, machines: tuple[WantedMachine, ...]) -> Iterator[str]:
    """Find machines that would not boot for want of memory; what is there so already is its owner's matter."""
    small: dict[str, None] = {}
    for machine in machines:
        asked, least = machine.machine.memory, machine.template.least_memory
        found = given.own.get(machine.name)
        if asked < least and not (found and found.memory == asked):
            told = exact_bytes(given.shape(machine.name).memory or asked)
            small[
                f"{given.key_of(machine.name, 'memory')}: {told} is too little; '{machine.template.reference}' "
                f"({machine.template.system}) needs {exact_bytes(least)}"
            ] = None
    yield from small


def _disk_faults(given: Circumstances, machines: tuple[WantedMachine, ...]) -> Iterator[str]:
    small: dict[str, str] = {}
    for machine in machines:
        disk, template = machine.machine.disk, machine.template
        told = exact_bytes(given.shape(machine.name).disk or disk)
        found = given.own.get(machine.name)
        if disk < template.virtual_size:
            small[given.key_of(machine.name, "disk")] = (
                f"{told} is less than the {exact_bytes(template.virtual_size)} of '{template.reference}'"
            )
        elif found and found.record and found.record.complete and disk < found.virtual_size:
            yield (f"{machine.name}: its disk has {exact_bytes(found.virtual_size)} and cannot shrink to {told}")
    for key, fault in small.items():
        yield f"{key}: {fault}"


def _carriage_faults(given: Circumstances, machines: tuple[WantedMachine, ...]) -> Iterator[str]:
    """Check that what a guest is told can reach it; all guests of a place are told about as much."""
    for key, machine in {given.place_key(machine.name): machine for machine in machines}.items():
        personalise = machine.template.personalise
        if personalise.by_answer_file:
            continue
        asked = any(nic.address for nic in machine.identity.nics)
        if asked and personalise.way == "first-boot" and personalise.network == "none":
            yield (
                f"{given.key_of(machine.name, 'nics')}: '{machine.template.reference}' has no network tool that "
                "imgpipe knows (NetworkManager, ifcfg, ifupdown, netplan), so its machines can have no addresses but "
                "by DHCP"
            )
        try:
            carry(machine.identity, personalise, machine.name)
        except RecipeError as error:
            yield f"{key}: {error}"


def _own_file_faults(given: Circumstances, machines: tuple[WantedMachine, ...]) -> Iterator[str]:
    """Let the plugin write every machine's own files once, for what such a system would refuse."""
    told: dict[str, None] = {}
    for machine in machines:
        template = machine.template
        if not template.personalise.by_answer_file or template.own_files is None:
            continue
        shape = given.shape(machine.name)
        if shape.users or shape.files or shape.root.keys:
            told[
                f"{given.place_key(machine.name)}: users, files and keys cannot be given to clones of '{template.name}'"
            ] = None
        try:
            template.own_files(machine.identity, template.personalise)
        except RecipeError as error:
            told |= dict.fromkeys(f"{machine.name}: {fault}" for fault in error.details or (str(error),))
    yield from told


def cache_faults(given: Circumstances, name: str, mode: str) -> Iterator[str]:
    """Yield why a machine cannot have its cache mode in the pool."""
    facts, shape = given.facts, given.shape(name)
    if mode in ("none", "directsync") and facts.direct_io is False:
        asked = "is what the fleet asks for" if shape.cache else f"is the policy for '{shape.template}'"
        yield (
            f"{given.key_of(name, 'cache')}: '{mode}' {asked}, but the pool '{facts.pool}' ({facts.pool_path}) is on a "
            "file system without direct I/O; take a pool elsewhere, or set cache = 'writeback' with a cache_reason"
        )


def _there(
    given: Circumstances, values: Callable[[ExistingMachine], Iterable[Hashable]]
) -> Iterator[tuple[Hashable, str]]:
    """Yield what the machines beside the plan's have, each value with the machine's name."""
    for machine in given.others:
        for value in values(machine):
            yield value, machine.name


def _clashes(what: str, wanted: Iterable[tuple[Hashable, str]], there: Iterable[tuple[Hashable, str]]) -> Iterator[str]:
    """Yield each wanted value that somebody else wants, or has."""
    owners: defaultdict[Hashable, list[str]] = defaultdict(list)
    for value, name in wanted:
        owners[value].append(name)
    for value, name in there:
        if value in owners:
            owners[value].append(name)
    for value, names in owners.items():
        if len(names) > 1:
            yield f"{names[0]}: the {what} {value} is also that of {listed(names[1:])}"
