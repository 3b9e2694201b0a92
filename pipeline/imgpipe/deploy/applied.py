"""What imgpipe last made of a machine's definition, kept in its record: so what others changed since is known."""

from __future__ import annotations

import json
from dataclasses import dataclass

from imgpipe.deploy.existing import ExistingMachine
from imgpipe.deploy.wanted import WantedMachine


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What imgpipe decides of a definition. Sizes in bytes; NICs as (kind, source), in order.

    `cpus` and `memory` are pairs: the most that there may be, and what the machine starts with. They differ only
    where somebody else made them so ('virsh setvcpus', 'virsh setmem').
    """

    cpus: tuple[int, int]
    memory: tuple[int, int]
    cache: str
    autostart: bool
    nics: tuple[tuple[str, str], ...]


def applied_of(machine: WantedMachine) -> Applied:
    """Return what a machine will be made."""
    size = machine.machine
    return Applied(
        cpus=(size.cpus, size.cpus),
        memory=(size.memory, size.memory),
        cache=machine.cache,
        autostart=machine.autostart,
        nics=tuple((nic.kind, nic.source) for nic in machine.identity.nics),
    )


def found_in(machine: ExistingMachine) -> Applied:
    """Return what a machine is now."""
    return Applied(
        cpus=(machine.cpus, machine.current_cpus or machine.cpus),
        memory=(machine.memory, machine.current_memory or machine.memory),
        cache=machine.cache,
        autostart=machine.autostart,
        nics=tuple((nic.kind, nic.source) for nic in machine.nics),
    )


def written(applied: Applied) -> str:
    """Return it as a machine's record has it."""
    told = {
        "cpus": applied.cpus[0],
        "memory": applied.memory[0],
        "cache": applied.cache,
        "autostart": applied.autostart,
        "nics": applied.nics,
    }
    return json.dumps(told, sort_keys=True)


def parsed(text: str) -> Applied | None:
    """Return what a record says; None where it says nothing, or nothing that imgpipe wrote."""
    try:
        told = json.loads(text)
        cpus, memory = int(told["cpus"]), int(told["memory"])
        return Applied(
            cpus=(cpus, cpus),
            memory=(memory, memory),
            cache=str(told["cache"]),
            autostart=told["autostart"] is True,
            nics=tuple((str(kind), str(source)) for kind, source in told["nics"]),
        )
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
        return None
