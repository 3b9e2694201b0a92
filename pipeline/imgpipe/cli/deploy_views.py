"""How the plan of a deploy is shown: in words for a person, as values for a program; without any secret."""

from __future__ import annotations

from collections import Counter
from typing import Any

from imgpipe.deploy.changes import Change, Keep, Make, Modify, Rebuild, Remove, name_of
from imgpipe.deploy.planning import DeployPlan
from imgpipe.deploy.wanted import WantedMachine, WantedNic
from imgpipe.sizes import exact_bytes

_MARKS = {Make: "+", Keep: "=", Modify: "~", Rebuild: "!", Remove: "-"}
_DONE = {Make: "to make", Modify: "to change", Rebuild: "to make anew", Remove: "to remove", Keep: "as asked for"}


def describe(plan: DeployPlan) -> str:
    """Return the plan as text: a line a machine, grouped by what the machines have in common."""
    lines = [f"{plan.fleet.name}: {summary(plan)}, in the pool '{plan.pool}'"]
    width = max((len(name_of(change)) for change in plan.changes), default=0)
    heading = ""
    for change in plan.changes:
        told = "not in the fleet any more" if isinstance(change, Remove) else _heading(change.machine)
        if told != heading:
            lines += ["", told]
            heading = told
        lines.append(f"  {_MARKS[type(change)]} {name_of(change):<{width}}  {_about(change)}")
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


def _about(change: Change) -> str:
    match change:
        case Make(leftover=leftover):
            again = "; what an interrupted run left of it goes first" if leftover else ""
            return f"{_network(change.machine)}{again}"
        case Keep():
            return _network(change.machine)
        case Modify(what=what, needs_stop=needs_stop):
            return f"{'; '.join(what)}{' (it must stop for that)' if needs_stop else ''}"
        case Rebuild(why=why):
            return f"{why}; what is on its disk is lost"
        case Remove():
            return "removed with all that is on its disk"


def _network(machine: WantedMachine) -> str:
    return ", ".join(_nic(nic) for nic in machine.identity.nics) or "no network"


def _nic(nic: WantedNic) -> str:
    where = nic.source or "QEMU's own network"
    return f"{nic.address} on {where}" if nic.address else f"DHCP on {where}"


def _change(change: Change, *, minted: bool) -> dict[str, Any]:
    told: dict[str, Any] = {"action": type(change).__name__.lower(), "name": name_of(change)}
    if isinstance(change, Modify):
        told |= {"what": list(change.what), "needs_stop": change.needs_stop}
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
    known = len(there.nics) if there else 0
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
