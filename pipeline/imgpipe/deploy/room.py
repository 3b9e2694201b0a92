"""Whether the machines fit: the pool's free room and the host's free memory, for what must be made or started."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from imgpipe.deploy.changes import Change, Make, Modify, Rebuild, Remove
from imgpipe.deploy.existing import HostFacts
from imgpipe.deploy.wanted import Template, WantedMachine
from imgpipe.sizes import MIB, exact_bytes, show_bytes

LINKED = MIB
"""What an overlay and a seed take before the first boot, at most."""


def base_volume(template: Template) -> str:
    """Return the name of the volume that a template is in a pool that does not see the catalog.

    Version numbers are given by each build host for itself, so a part of the digest belongs to the name.
    """
    return f"imgpipe-{template.name}-{template.version}-{template.sha256[:8]}.qcow2"


def uploads(changes: Iterable[Change], facts: HostFacts) -> tuple[Template, ...]:
    """Return the templates that must be copied into the pool before machines can be made of them."""
    if facts.local:
        return ()
    templates = {machine.template.reference: machine.template for machine in _made(changes)}
    return tuple(template for template in templates.values() if base_volume(template) not in facts.volumes)


def needed_room(changes: tuple[Change, ...], facts: HostFacts) -> int:
    """Return how many bytes of the pool the changes take."""
    disks = sum(LINKED if machine.linked else _size(machine.template) for machine in _made(changes))
    copies = sum(_size(change.machine.template) for change in changes if isinstance(change, Modify) and change.flatten)
    freed = sum(change.existing.used for change in changes if isinstance(change, Rebuild))
    return max(disks + copies + sum(_size(template) for template in uploads(changes, facts)) - freed, 0)


def room_faults(changes: tuple[Change, ...], facts: HostFacts) -> Iterator[str]:
    """Yield why the changes cannot fit on this host."""
    memory = facts.memory_free + _freed_memory(changes)
    needed = needed_room(changes, facts)
    if needed > facts.pool_free:
        yield (
            f"(disk room): {show_bytes(needed)} are needed in the pool '{facts.pool}' ({facts.pool_path}), "
            f"which has {show_bytes(facts.pool_free)} left"
        )
    for machine in _started(changes):
        if machine.machine.memory > memory:
            yield (
                f"{machine.name}: its {exact_bytes(machine.machine.memory)} of memory are more than the "
                f"{show_bytes(memory)} that the host has left; it could not start"
            )


def room_warnings(changes: tuple[Change, ...], facts: HostFacts) -> Iterator[str]:
    """Yield where room may become short later."""
    started = tuple(_started(changes))
    memory = sum(machine.machine.memory for machine in started)
    left = facts.memory_free + _freed_memory(changes)
    if len(started) > 1 and memory > left:
        yield (
            f"The {len(started)} machines to be started have {show_bytes(memory)} of memory together; the host has "
            f"{show_bytes(left)} left."
        )
    disks = sum(machine.machine.disk for machine in _made(changes))
    if disks > facts.pool_free:
        yield (
            f"The new disks may grow to {show_bytes(disks)} together; the pool '{facts.pool}' has "
            f"{show_bytes(facts.pool_free)} left."
        )


def _made(changes: Iterable[Change]) -> Iterator[WantedMachine]:
    for change in changes:
        if isinstance(change, Make | Rebuild):
            yield change.machine


def _started(changes: Iterable[Change]) -> Iterator[WantedMachine]:
    """Yield the machines that will start, also those that only stop for their change."""
    for change in changes:
        if isinstance(change, Modify):
            if change.start or change.needs_stop:
                yield change.machine
        elif isinstance(change, Make | Rebuild) and change.machine.start:
            yield change.machine


def _freed_memory(changes: Iterable[Change]) -> int:
    """Return the memory of running machines that will stop, for a while or for ever."""
    freed = 0
    for change in changes:
        if isinstance(change, Remove | Rebuild) or (isinstance(change, Modify) and change.needs_stop):
            freed += change.existing.memory if change.existing.active else 0
    return freed


def _size(template: Template) -> int:
    """Return what a copy takes; where the file's size is not known, what the disk can at most be."""
    return template.size or template.virtual_size
