"""How the plan of a deploy is shown: in words for a person, as values for a program; without any secret."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from imgpipe.deploy.changes import Change, Keep, Make, Modify, Rebuild, Remove, name_of
from imgpipe.deploy.planning import DeployPlan
from imgpipe.deploy.wanted import WantedMachine, WantedNic
from imgpipe.sizes import exact_bytes
from imgpipe.way_out import leaves_its_router

_MARKS = {Make: "+", Keep: "=", Modify: "~", Rebuild: "!", Remove: "-"}
_DONE = {Make: "to make", Modify: "to change", Rebuild: "to make anew", Remove: "to remove", Keep: "as asked for"}


def describe(plan: DeployPlan) -> str:
    """Return the plan as text: a line a machine and one for each NIC, grouped by what machines have in common."""
    lines = [f"{plan.fleet.name}: {summary(plan)}, in the pool '{plan.pool}'"]
    width = max((len(name_of(change)) for change in plan.changes), default=0)
    heading = ""
    for change in plan.changes:
        told = "not in the fleet any more" if isinstance(change, Remove) else _heading(change.machine)
        if told != heading:
            lines += ["", told]
            heading = told
        lines += _change_lines(change, width, minted=plan.fleet_id is not None)
    lines += ["", *(f"note     {note}" for note in plan.notes), *(f"warning  {warning}" for warning in plan.warnings)]
    return "\n".join(lines).rstrip()


def summary(plan: DeployPlan) -> str:
    """Return '2 to make, 3 as asked for'."""
    counts = Counter(type(change) for change in plan.changes)
    return ", ".join(f"{counts[kind]} {words}" for kind, words in _DONE.items() if counts[kind]) or "no machines"


def shown(plan: DeployPlan) -> dict[str, Any]:
    """Return the plan as JSON values; sizes in bytes."""
    return {
        "fleet": plan.fleet.name,
        "fleet_id": plan.fleet_id,
        "pool": plan.pool,
        "changes": [_change(change, minted=plan.fleet_id is not None) for change in plan.changes],
        "orphans": [machine.name for machine in plan.orphans],
        "uploads": [template.reference for template in plan.uploads],
        "notes": list(plan.notes),
        "warnings": list(plan.warnings),
    }


def _heading(machine: WantedMachine) -> str:
    size = machine.machine
    kind = "linked to" if machine.linked else "copied from"
    return (
        f"{machine.group}: {kind} {machine.template.reference}, {size.cpus} vCPU, {exact_bytes(size.memory)} memory, "
        f"{exact_bytes(size.disk)} disk, cache {machine.cache}"
    )


def _change_lines(change: Change, width: int, *, minted: bool) -> Iterator[str]:
    """Yield a machine's line; its NICs begin there, or follow what is done with a machine that is there."""
    words = about(change)
    nics = [] if isinstance(change, Remove) else list(_nics(change, minted=minted))
    first, *others = [words, *nics] if words or not nics else nics
    yield f"  {_MARKS[type(change)]} {name_of(change):<{width}}  {first}".rstrip()
    yield from (f"    {'':<{width}}  {line}" for line in others)


def about(change: Change) -> str:
    """Return what is done with a machine, in words; empty where its mark says all."""
    match change:
        case Make(leftover=leftover):
            return "what an interrupted run left of it goes first" if leftover else ""
        case Keep():
            return ""
        case Modify(told=told, needs_stop=needs_stop):
            return f"{'; '.join(told)}{' (it must stop for that)' if needs_stop else ''}"
        case Rebuild(why=why):
            return f"{why}; what is on its disk is lost"
        case Remove():
            return "removed with all that is on its disk"


def _nics(change: Make | Keep | Modify | Rebuild, *, minted: bool) -> Iterator[str]:
    nics = change.machine.identity.nics
    known = len(nics) if minted else _known_nics(change)
    for index, nic in enumerate(nics):
        yield nic_line(nic, nics, nic.mac if index < known else "")
    if not nics:
        yield "no network"


def nic_line(nic: WantedNic, nics: Sequence[WantedNic], mac: str) -> str:
    """Return a NIC in words: its address, where it is plugged in, its MAC, and the ways out that it is told of.

    An empty `mac` is one that is still to be minted.
    """
    where = nic.source or "QEMU's own network"
    servers = f", DNS {' '.join(map(str, nic.dns))}" if nic.dns else ""
    way_out = f", gateway {nic.gateway}" if nic.gateway else ""
    if leaves_its_router(nic, nics):
        way_out = ", not the way out"
    return f"{nic.address or 'DHCP'} on {where}, MAC {mac or 'to be minted'}{way_out}{servers}"


def _known_nics(change: Make | Keep | Modify | Rebuild) -> int:
    """Return how many of a machine's NICs are there, with MACs of their own."""
    if isinstance(change, Keep):
        return len(change.machine.identity.nics)
    there = change.leftover if isinstance(change, Make) else change.existing
    return len(there.nics) if there else 0


def _change(change: Change, *, minted: bool) -> dict[str, Any]:
    told: dict[str, Any] = {"action": type(change).__name__.lower(), "name": name_of(change)}
    if isinstance(change, Modify):
        told |= {"what": list(change.what), "needs_stop": change.needs_stop, "by_hand": list(change.by_hand)}
    elif isinstance(change, Rebuild):
        told |= {"why": change.why}
    elif isinstance(change, Make):
        told |= {"leftover": change.leftover is not None}
    if isinstance(change, Remove):
        return told
    values = _machine(change.machine)
    return told | (values if minted else _without_placeholders(values, change))


def _without_placeholders(values: dict[str, Any], change: Make | Keep | Modify | Rebuild) -> dict[str, Any]:
    """Return a machine's values without ids that are not minted yet; what is there has its own."""
    if isinstance(change, Keep):
        return values
    there = change.leftover if isinstance(change, Make) else change.existing
    known = _known_nics(change)
    nics = [nic if index < known else nic | {"mac": None} for index, nic in enumerate(values["nics"])]
    return values | {"uuid": values["uuid"] if there else None, "nics": nics}


def _machine(machine: WantedMachine) -> dict[str, Any]:
    identity = machine.identity
    return {
        "group": machine.group,
        "uuid": machine.uuid,
        "template": machine.template.reference,
        "linked": machine.linked,
        "cpus": machine.machine.cpus,
        "memory": machine.machine.memory,
        "disk": machine.machine.disk,
        "firmware": machine.machine.firmware,
        "cache": machine.cache,
        "autostart": machine.autostart,
        "start": machine.start,
        "hostname": identity.hostname,
        "nics": [_nic_values(nic) for nic in identity.nics],
        "root": {"keys": len(identity.keys), "password": bool(identity.password_hash)},
        "users": [user.name for user in identity.users],
        "files": [file.path for file in identity.files],
    }


def _nic_values(nic: WantedNic) -> dict[str, Any]:
    return {
        "kind": nic.kind,
        "source": nic.source,
        "mac": nic.mac,
        "address": str(nic.address) if nic.address else None,
        "gateway": str(nic.gateway) if nic.gateway else None,
        "dns": [str(server) for server in nic.dns],
    }
