"""From a fleet to its plan: every decision is made and checked here, and nothing is touched."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from shlex import quote

from imgpipe.deploy.changes import Change, Keep, Make, Modify, Rebuild, Remove, change_of, identity_changes
from imgpipe.deploy.existing import ExistingMachine, HostFacts
from imgpipe.deploy.faults import cache_faults, fleet_faults, listed, machine_faults
from imgpipe.deploy.fleet import Fleet, place_of
from imgpipe.deploy.fleet_ids import recorded_ids
from imgpipe.deploy.logins import who_can_log_in
from imgpipe.deploy.names import COMPUTER_NAME
from imgpipe.deploy.own_settings import said_in
from imgpipe.deploy.resolving import Choices, Circumstances, outdated, wanted_machines
from imgpipe.deploy.room import room_faults, room_warnings, uploads
from imgpipe.deploy.wanted import Template, WantedMachine
from imgpipe.errors import RecipeError
from imgpipe.logins import NOBODY
from imgpipe.os_family import Account
from imgpipe.sizes import show_bytes
from imgpipe.way_out import leaves_its_router


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployPlan:
    """What a deploy will do, checked: one change a machine, in the fleet's order, removals last.

    `orphans` are machines of the fleet that it does not name any more and that stay, because nobody asked to prune.
    `fleet_id` is None where only a deploy would mint it: MACs and UUIDs of what is new are placeholders then.
    `uploads` are templates that the pool does not have yet. `warnings` are worth a second look, `notes` a first one.
    """

    fleet: Fleet
    fleet_id: str | None
    pool: str
    changes: tuple[Change, ...]
    orphans: tuple[ExistingMachine, ...] = ()
    uploads: tuple[Template, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def machines(self) -> tuple[WantedMachine, ...]:
        """Return the machines that there will be, without orphans."""
        return tuple(change.machine for change in self.changes if not isinstance(change, Remove))

    @property
    def new(self) -> tuple[WantedMachine, ...]:
        """Return the machines that will be made, or made anew."""
        return tuple(_new(self.changes))

    @property
    def is_done(self) -> bool:
        """Say whether everything is as it shall be."""
        return all(isinstance(change, Keep) for change in self.changes)

    @property
    def stopped(self) -> tuple[str, ...]:
        """Return the names of running machines that must stop for their change."""
        return tuple(change.machine.name for change in self.changes if isinstance(change, Modify) and change.needs_stop)

    @property
    def undone(self) -> tuple[tuple[str, Modify], ...]:
        """Return the machines that somebody else changed, or may have, and whose change is undone."""
        return tuple(
            (change.machine.name, change) for change in self.changes if isinstance(change, Modify) and change.by_hand
        )

    @property
    def lost(self) -> tuple[str, ...]:
        """Return the names of machines whose disks are lost."""
        rebuilt = [change.machine.name for change in self.changes if isinstance(change, Rebuild)]
        return (*rebuilt, *(change.existing.name for change in self.changes if isinstance(change, Remove)))


def make_deploy_plan(
    fleet: Fleet,
    templates: Mapping[str, Template],
    facts: HostFacts,
    accounts: Mapping[str, Account],
    choices: Choices | None = None,
    key: bytes = b"",
) -> DeployPlan:
    """Decide everything about deploying a fleet; raises RecipeError with all faults at once.

    `templates` are known by what the fleet calls them, `NAME` or `NAME@VERSION`, and, where the catalog still has
    them, by what existing machines were made from. `accounts` are those of `accounts_of`; `key` keys the digests.
    """
    asked = choices or Choices()
    given = Circumstances(fleet=fleet, templates=templates, facts=facts, accounts=accounts, choices=asked, key=key)
    machines = wanted_machines(given)
    changes = tuple(_changes(given, machines))
    if wrong := _faults(given, machines, changes):
        raise RecipeError(
            f"The fleet '{fleet.name}' cannot be deployed as it is; nothing was touched.",
            details=wrong,
        )
    return DeployPlan(
        fleet=fleet,
        fleet_id=given.fleet_id,
        pool=facts.pool,
        changes=changes,
        orphans=() if given.choices.prune else given.orphans,
        uploads=uploads(changes, facts),
        notes=tuple(_notes(given, changes)),
        warnings=tuple(_warnings(given, changes)),
    )


def _changes(given: Circumstances, machines: tuple[WantedMachine, ...]) -> Iterator[Change]:
    for machine in machines:
        why = outdated(given, machine.name) if given.choices.rebuild else ""
        yield change_of(machine, given.own.get(machine.name), rebuild=why)
    if given.choices.prune:
        yield from (Remove(existing=existing) for existing in given.orphans)


def _faults(given: Circumstances, machines: tuple[WantedMachine, ...], changes: tuple[Change, ...]) -> list[str]:
    return [
        *fleet_faults(given),
        *_template_faults(given, changes),
        *_told_once_faults(changes),
        *_way_out_faults(given, changes),
        *machine_faults(given, machines),
        *_cache_faults(given, changes),
        *room_faults(changes, given.facts),
    ]


def _template_faults(given: Circumstances, changes: tuple[Change, ...]) -> Iterator[str]:
    own = [name for name, shape in given.fleet.machines.items() if shape.template and name in given.named]
    named = {f"groups.{group}": shape for group, shape in given.groups.items()}
    named |= {place_of(name): given.shape(name) for name in own}
    for key, shape in named.items():
        if shape.template and shape.template not in given.templates:
            yield f"{key}.template: there is no image '{shape.template}'; 'imgpipe images list' shows all"
        elif shape.template and not given.templates[shape.template].proven:
            yield (
                f"{key}.template: nothing proves that '{given.templates[shape.template].reference}' was "
                "generalized (sysprep), so its clones could share one identity; build it again: 'imgpipe build "
                f"{quote(given.templates[shape.template].name)}'"
            )
    if not given.facts.local:
        for reference in {
            machine.template.reference: None for machine in _new(changes) if not machine.template.prepared
        }:
            yield (
                f"'{reference}' was not prepared by imgpipe, so identities are written to its clones' disks, and the "
                f"pool '{given.facts.pool}' is out of reach; run imgpipe on that host, or import the disk first"
            )


def _told_once_faults(changes: tuple[Change, ...]) -> Iterator[str]:
    """Find what would be told anew to machines that listen at their first boot alone."""
    for change in changes:
        if not isinstance(change, Modify) or not change.machine.template.personalise.by_answer_file:
            continue
        record, name = change.existing.record, change.machine.name
        for what in identity_changes(change.machine, record) if record else ():
            yield (
                f"{name}: {what}; but it is told who it is at its first boot alone: leave that as it was, or "
                f"'imgpipe machines destroy {quote(name)}' and deploy again"
            )


def _way_out_faults(given: Circumstances, changes: tuple[Change, ...]) -> Iterator[str]:
    """Find new machines of Windows with two ways out; others are told to leave the router that DHCP names."""
    told: dict[str, None] = {}
    for machine in _new(changes):
        nics = machine.identity.nics
        for index, nic in enumerate(nics if machine.template.personalise.is_windows else ()):
            if leaves_its_router(nic, nics):
                told[
                    f"{given.key_of(machine.name, 'nics')}.{index}: asks by DHCP beside a NIC with a gateway, and "
                    "Windows cannot be told to leave the DHCP server's router; give it addresses, or leave the gateway "
                    "out"
                ] = None
    yield from told


def _cache_faults(given: Circumstances, changes: tuple[Change, ...]) -> Iterator[str]:
    """Check what gets a new definition; the machines of a place differ in nothing that counts here."""
    places = {
        given.place(change.machine.name): change.machine
        for change in changes
        if isinstance(change, Make | Modify | Rebuild)
    }
    told = (fault for machine in places.values() for fault in cache_faults(given, machine.name, machine.cache))
    yield from dict.fromkeys(told)


def _notes(given: Circumstances, changes: tuple[Change, ...]) -> Iterator[str]:
    for template in uploads(changes, given.facts):
        size = show_bytes(template.size)
        yield f"'{template.reference}' is copied into the pool '{given.facts.pool}' first ({size})."
    yield from (f"Log in to {listed(names)}: {who}." for who, names in _told_logins(changes).items() if who != NOBODY)
    yield from _template_notes(given, changes)
    yield from _id_notes(given, changes)
    for group, where in given.choices.nics_of.items():
        plugs = ", ".join(nic.told for nic in given.groups[group].nics)
        yield f"Group '{group}': NICs on {plugs}, like {where}."
    if alone := [one.name for one in _new(changes) if all(nic.kind == "user" for nic in one.identity.nics)]:
        yield (
            f"{listed(alone)}: on QEMU's own NAT, so nothing reaches them from outside; '--bridge', 'nics' in a "
            "fleet's file or 'bridges' in imgpipe.toml plug them in elsewhere."
        )
    yield from _cache_notes(given)
    for name, settings in given.choices.settings.items():
        if name in given.named and (own := said_in(settings)):
            yield f"'{name}': {', '.join(own)} as 'machines set' gave it, and not as its group says."
    if orphans := given.orphans:
        names = listed(machine.name for machine in orphans)
        ending = "is removed" if given.choices.prune else "stays; '--prune' removes what the fleet does not name"
        yield f"Not in the fleet any more: {names}, which {ending}."


def _cache_notes(given: Circumstances) -> Iterator[str]:
    own = {name: shape for name, shape in given.fleet.machines.items() if shape.cache}
    named = {f"Group '{group}'": shape for group, shape in given.groups.items()}
    named |= {f"Machine '{name}'": given.shape(name) for name in own}
    for what, shape in named.items():
        policy = given.templates[shape.template or ""].cache
        if shape.cache not in (None, policy):
            reason = shape.cache_reason or "the fleet asks for it"
            yield f"{what}: cache mode '{shape.cache}' instead of '{policy}': {reason}."


def _told_logins(changes: tuple[Change, ...]) -> dict[str, list[str]]:
    """Return the names of machines by who can log in to them."""
    told: defaultdict[str, list[str]] = defaultdict(list)
    for change in changes:
        if not isinstance(change, Remove):
            told[who_can_log_in(change.machine)].append(change.machine.name)
    return told


def _id_notes(given: Circumstances, changes: tuple[Change, ...]) -> Iterator[str]:
    if given.fleet_id is None and any(isinstance(change, Make) and not change.leftover for change in changes):
        yield "New MAC addresses and UUIDs follow from an id that the deploy mints; 'id' in the fleet pins it."
    for carried, names in recorded_ids(given.own.values()).items():
        if given.fleet.id and carried != given.fleet.id:
            yield f"{listed(names)}: of the id '{carried}', and kept so; what is new follows from '{given.fleet.id}'."


def _template_notes(given: Circumstances, changes: tuple[Change, ...]) -> Iterator[str]:
    kept = [change.machine for change in changes if isinstance(change, Keep | Modify)]
    older: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for machine in kept:
        if outdated(given, machine.name):
            now = given.templates[given.shape(machine.name).template or ""].reference
            older[machine.template.reference, now].append(machine.name)
    for (made_from, now), names in older.items():
        yield f"{listed(names)}: made from '{made_from}', not '{now}', and kept; '--rebuild' makes them anew."
    if copies := [one.name for one in kept if not one.linked and given.shape(one.name).is_linked]:
        yield f"{listed(copies)}: a disk of its own, and it stays one; only '--rebuild' would link it again."
    foreign = {one.template.reference: None for one in _new(changes) if not one.template.prepared}
    for reference in foreign:
        yield f"'{reference}' has no unit that applies an identity: each new disk gets it before its first boot."
    told = {one.template.reference: None for one in _new(changes) if one.template.personalise.way == "unattend-cd"}
    for reference in told:
        yield (
            f"'{reference}': new machines are told who they are by a CD, on which the administrator's password can be "
            "read until it is ejected."
        )
    long = [one.name for one in _new(changes) if one.template.personalise.is_windows and len(one.name) > COMPUTER_NAME]
    if long:
        yield f"{listed(long)}: Windows keeps the first {COMPUTER_NAME} characters of the name."


def _warnings(given: Circumstances, changes: tuple[Change, ...]) -> Iterator[str]:
    facts = given.facts
    if locked := _told_logins(changes).get(NOBODY):
        yield (
            f"Nobody can log in to {listed(locked)}: give '--key-file' or '--root-password', in a fleet's file "
            "root.key_files or root.password."
        )
    yield from room_warnings(changes, facts)
    for disk in {one.template.disk: None for one in _new(changes) if one.linked and not one.template.version}:
        yield f"The disk '{disk}' must not change any more: machines are linked to it."
    bridges = {nic.source for one in _new(changes) for nic in one.identity.nics if nic.kind == "bridge"}
    if bridges and facts.bridges is None:
        yield f"Whether the host has the bridges {listed(sorted(bridges))} cannot be asked over '{facts.uri}'."
    if facts.addresses is None and any(nic.address for one in _new(changes) for nic in one.identity.nics):
        yield "Whether an address is the host's own cannot be asked; leave those of its bridges and NICs out."
    if facts.direct_io is None and any(one.cache in ("none", "directsync") for one in _new(changes)):
        yield f"Whether the pool '{facts.pool}' can do direct I/O, which cache mode 'none' needs, cannot be asked."


def _new(changes: tuple[Change, ...]) -> Iterator[WantedMachine]:
    for change in changes:
        if isinstance(change, Make | Rebuild):
            yield change.machine
