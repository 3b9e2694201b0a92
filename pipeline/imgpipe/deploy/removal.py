"""Removing machines, whole or half-made: nothing of theirs is left, and nothing of anybody else's is touched."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from imgpipe.adapters.machines import Machines
from imgpipe.adapters.pool import Pool
from imgpipe.deploy.existing import ExistingMachine, MachineRecord
from imgpipe.errors import RecipeError

BASE_PREFIX = "imgpipe-"


def remove_machine(existing: ExistingMachine, machines: Machines, pool_of: Callable[[str], Pool]) -> None:
    """Remove a machine that imgpipe made: disk, seed, UEFI variables, saved state, definition.

    The definition goes last, because it says what else there is: a removal that was interrupted can be repeated.
    Raises RecipeError for a machine that imgpipe did not make.
    """
    record = existing.record
    if record is None:
        raise RecipeError(
            f"The machine '{existing.name}' was not made by imgpipe, which leaves it alone.",
            hint=f"Remove it yourself: 'virsh undefine --nvram {existing.name}', and its disk.",
        )
    discard(existing.name, record, machines, pool_of(record.pool))


def discard(name: str, record: MachineRecord, machines: Machines, pool: Pool) -> None:
    """Remove what there is of a machine of ours, however little that is."""
    machines.force_stop(name)
    pool.delete(*(volume for volume in (record.disk, record.seed) if volume))
    machines.remove(name)


def unused_bases(pool: Pool, left: Iterable[ExistingMachine]) -> tuple[str, ...]:
    """Return the uploaded images in a pool that no linked machine needs, given all machines that are left."""
    needed = {
        base_volume_of(machine.record.template)
        for machine in left
        if machine.record and machine.record.pool == pool.name and (machine.record.linked or not machine.record.complete)
    }
    if pool.local:
        return ()
    return tuple(sorted(name for name in pool.names() if _is_base(name) and name not in needed))


def base_volume_of(reference: str) -> str:
    """Return the name of the volume that the template `NAME@VERSION` is uploaded as."""
    return f"{BASE_PREFIX}{reference.replace('@', '-')}.qcow2"
