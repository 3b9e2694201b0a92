"""Removing machines, whole or half-made: nothing of theirs is left, and nothing of anybody else's is touched."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from imgpipe.adapters.machines import Machines
from imgpipe.adapters.pool import Pool
from imgpipe.deploy.existing import ExistingMachine, MachineRecord
from imgpipe.errors import RecipeError

# What `room.base_volume` makes of a template.
_BASE = re.compile(r"imgpipe-(.+)-[0-9a-f]{8}\.qcow2")


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


def unused_bases(
    volumes: Iterable[str], removed: Iterable[MachineRecord], left: Iterable[ExistingMachine]
) -> tuple[str, ...]:
    """Return which of a pool's volumes are templates of removed machines that none of those left is linked to."""
    records = [machine.record for machine in left if machine.record]
    needed = {record.template for record in records if record.linked or not record.complete}
    unused = {record.template.replace("@", "-") for record in removed if record.template not in needed}
    disks = {record.disk for record in records}
    return tuple(
        sorted(
            name
            for name in volumes
            if name not in disks and (match := _BASE.fullmatch(name)) is not None and match[1] in unused
        )
    )
