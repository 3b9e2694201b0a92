"""Removing machines, whole or half-made: nothing of theirs is left, and nothing of anybody else's is touched."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace

from imgpipe.adapters.machines import Machines
from imgpipe.adapters.pool import Pool
from imgpipe.deploy.belongings import own_volumes
from imgpipe.deploy.existing import ExistingMachine, MachineRecord
from imgpipe.deploy.needed import Survey, refuse_needed, survey
from imgpipe.errors import RecipeError

# What `room.base_volume` makes of a template.
_BASE = re.compile(r"imgpipe-(.+)-[0-9a-f]{8}\.qcow2")


def remove_machine(
    existing: ExistingMachine, machines: Machines, pool_of: Callable[[str], Pool], known: Survey
) -> tuple[str, ...]:
    """Remove a machine that imgpipe made: disk, seed, UEFI variables, saved state, definition.

    What is deleted is what its definition has at this moment. `known` is of the batch of machines that it goes with.
    The definition goes last, because it says what else there is: a removal that was interrupted can be repeated.
    Returns volumes that the record names and the definition does not, which stay. Raises RecipeError for a machine
    that imgpipe did not make, or that somebody else's depends on, and HostError where that is not known; then nothing
    was touched.
    """
    if existing.record is None:
        raise not_ours(existing)
    # Asked anew: the name may be another machine's by now.
    now = machines.find(existing.name)
    if now.uuid != existing.uuid or now.record is None:
        raise not_ours(replace(now, record=None))
    record, pool = now.record, pool_of(now.record.pool)
    named = machines.named_files()
    mine = next((one for one in named if one.uuid == now.uuid), None)
    if mine is None:
        return ()
    volumes = own_volumes(mine, record, pool)
    refuse_needed(f"of the machine '{now.name}' ", volumes, named, pool, known)
    keep_nvram = any(mine.nvram & one.files for one in named if one.uuid != now.uuid)
    machines.force_stop(now.name)
    pool.delete(*volumes)
    machines.remove(now.name, keep_nvram=keep_nvram)
    there = pool.names()
    return tuple(name for name in (record.disk, record.seed) if name and name not in volumes and name in there)


def not_ours(machine: ExistingMachine) -> RecipeError:
    """Return what is said to whoever wants imgpipe to work on a machine that is not its own."""
    if machine.stranger:
        return RecipeError(
            f"The machine '{machine.name}' is not imgpipe's, which leaves it alone: {machine.stranger}.",
            hint=f"'imgpipe machines forget {machine.name}' drops that metadata; the machine itself is removed with "
            f"'virsh undefine --nvram {machine.name}', and then its disk.",
        )
    return RecipeError(
        f"The machine '{machine.name}' was not made by imgpipe, which leaves it alone.",
        hint=f"Remove it yourself: 'virsh undefine --nvram {machine.name}', and its disk.",
    )


def require_leftover(volume: str, machines: Machines, pool: Pool, *, trusting: bool = False) -> None:
    """Raise RecipeError for a volume that a machine needs, or that is not there; HostError where that is not known.

    `trusting` takes what cannot be seen for nobody's.
    """
    if volume not in pool.names():
        raise RecipeError(
            f"The pool '{pool.name}' has no volume '{volume}'.", hint=f"'virsh vol-list {pool.name}' lists them."
        )
    known = survey((), machines, lambda _: pool, trusting=trusting)
    refuse_needed("", (volume,), machines.named_files(), pool, known)


def remove_leftover(volume: str, machines: Machines, pool: Pool, *, trusting: bool = False) -> None:
    """Delete a volume that no machine has; raises as `require_leftover` does."""
    require_leftover(volume, machines, pool, trusting=trusting)
    pool.delete(volume)


def discard(
    name: str,
    record: MachineRecord,
    made: Iterable[str],
    machines: Machines,
    pool: Pool,
    *,
    keep_nvram: bool = False,
) -> None:
    """Remove what a run made of a machine: `made` are the volumes that it made itself, and no others go.

    With `keep_nvram` the file of UEFI variables that the definition names stays: somebody else made it.
    """
    if name in machines.names() and machines.find(name).uuid == record.uuid:
        machines.force_stop(name)
        pool.delete(*made)
        machines.remove(name, keep_nvram=keep_nvram)
    else:
        pool.delete(*made)


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
