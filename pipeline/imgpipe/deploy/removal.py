"""Removing machines, whole or half-made: nothing of theirs is left, and nothing of anybody else's is touched."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from shlex import quote

from imgpipe.adapters.machines import Machines
from imgpipe.adapters.marks import unmark
from imgpipe.adapters.pool import Pool
from imgpipe.deploy.belongings import Belongings, belongings
from imgpipe.deploy.definition_files import NamedFiles, named_files
from imgpipe.deploy.existing import ExistingMachine, MachineRecord
from imgpipe.deploy.needed import Survey, refuse_needed, survey
from imgpipe.errors import RecipeError

# What `room.base_volume` makes of a template.
_BASE = re.compile(r"imgpipe-(.+)-[0-9a-f]{8}\.qcow2")


def remove_machine(
    existing: ExistingMachine, machines: Machines, pool_of: Callable[[str], Pool], known: Survey
) -> tuple[str, ...]:
    """Remove a machine that imgpipe made: disk, seed, UEFI variables, saved state, definition.

    What is deleted is what its definition has at this moment; of a machine that is half made, or half removed, what is
    shown to be its own. `known` is of the batch of machines that it goes with. The definition goes last, because it
    says what else there is: a removal that was interrupted can be repeated.
    Returns sentences about what stays, though it has the names of what is the machine's. Raises RecipeError for a
    machine that imgpipe did not make, or that somebody else's depends on, and HostError where that is not known, or
    where a QEMU that libvirt lost uses its disk; then nothing was touched.
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
    mine = replace(mine, snapshots=machines.snapshot_files(mine.name))
    own = belongings(mine, record, pool)
    refuse_needed(f"of the machine '{now.name}' ", own.volumes, named, pool, known)
    if any(mine.nvram & one.files for one in named if one.uuid != now.uuid):
        own = replace(own, variables=False)
    machines.force_stop(now.name)
    pool.require_unused(*own.volumes)
    # One that was not persistent is gone by now.
    if record.complete and now.name in machines.names():
        record = _sealed(record, own, pool)
        machines.set_record(now.name, record)
    _clear(mine, record, own, machines, pool)
    return tuple(_what_stays(now.name, own, mine, machines, pool))


def _sealed(record: MachineRecord, own: Belongings, pool: Pool) -> MachineRecord:
    """Return the record of a machine whose removal begins: by the proofs the next run knows what is left of it."""
    proofs = tuple((name, proof) for name in own.volumes if (proof := pool.proof(name)))
    return replace(record, complete=False, proofs=proofs, state="own" if own.variables else "started")


def _clear(mine: NamedFiles, record: MachineRecord, own: Belongings, machines: Machines, pool: Pool) -> None:
    pool.delete(*own.volumes)
    pool.unmark(record.mark, *filter(None, (record.disk, record.seed)))
    machines.remove(mine.name, keep_nvram=not own.variables, keep_tpm=not own.tpm)
    # Not before: by its hidden name a copy of variables is known to be imgpipe's.
    for path in mine.nvram:
        unmark(Path(path), record.mark)


def _what_stays(name: str, own: Belongings, mine: NamedFiles, machines: Machines, pool: Pool) -> Iterator[str]:
    for volume in own.strange:
        yield (
            f"The volume '{volume}' of '{name}' stays, because it is not known to be what imgpipe made. "
            f"'imgpipe machines destroy --leftover {quote(pool.name)}/{quote(volume)}' removes it."
        )
    for path in sorted(mine.nvram) if not own.variables else ():
        if machines.is_there(path) is not False:
            yield (
                f"The UEFI variables '{path}' of '{name}' stay, because they are not known to be what imgpipe made. "
                "Delete the file if it is there and nobody needs it."
            )


def not_ours(machine: ExistingMachine) -> RecipeError:
    """Return what is said to whoever wants imgpipe to work on a machine that is not its own."""
    if machine.stranger:
        return RecipeError(
            f"The machine '{machine.name}' is not imgpipe's, which leaves it alone: {machine.stranger}.",
            hint=f"'imgpipe machines forget {quote(machine.name)}' drops that metadata; the machine itself is "
            "removed with "
            f"'virsh undefine --nvram {quote(machine.name)}', and then its disk.",
        )
    return RecipeError(
        f"The machine '{machine.name}' was not made by imgpipe, which leaves it alone.",
        hint=f"Remove it yourself: 'virsh undefine --nvram {quote(machine.name)}', and its disk.",
    )


def require_leftover(volume: str, machines: Machines, pool: Pool, *, trusting: bool = False) -> None:
    """Raise RecipeError for a volume that a machine needs, or that is not there; HostError where that is not known.

    `trusting` takes what cannot be seen for nobody's.
    """
    require_volume(volume, pool)
    known = survey((), machines, lambda _: pool, trusting=trusting)
    refuse_needed("", (volume,), machines.named_files(), pool, known)


def require_volume(volume: str, pool: Pool) -> None:
    """Raise RecipeError for a volume that is not in the pool, which need not be open."""
    if volume not in pool.names():
        raise RecipeError(
            f"The pool '{pool.name}' has no volume '{volume}'.", hint=f"'virsh vol-list {quote(pool.name)}' lists them."
        )


def remove_leftover(volume: str, machines: Machines, pool: Pool, *, trusting: bool = False) -> None:
    """Delete a volume that no machine has; raises as `require_leftover` does."""
    require_leftover(volume, machines, pool, trusting=trusting)
    pool.require_unused(volume)
    pool.delete(volume)


def discard(name: str, record: MachineRecord, made: Iterable[str], machines: Machines, pool: Pool) -> tuple[str, ...]:
    """Remove what a run made of a machine that is not complete: `made` are volumes that it made itself, for certain.

    What else goes is what the record shows to be the machine's own. Returns sentences about what stays.
    """
    # Not the files of all machines: this is called for each of many.
    mine = named_files(machines.xml(name)) if name in machines.names() else None
    if mine is None or mine.uuid != record.uuid:
        pool.delete(*made)
        pool.unmark(record.mark, *filter(None, (record.disk, record.seed)))
        return ()
    own = belongings(mine, record, pool)
    volumes = tuple(dict.fromkeys((*made, *own.volumes)))
    strange = tuple(volume for volume in own.strange if volume not in volumes)
    own = replace(own, volumes=volumes, strange=strange)
    machines.force_stop(name)
    _clear(mine, record, own, machines, pool)
    return tuple(_what_stays(name, own, mine, machines, pool))


def unmark_complete(machines: Machines, pool: Pool) -> None:
    """Remove the hidden names of volumes whose machine was completed by a run that was killed right then."""
    if not any(name.startswith(".") for name in pool.names()):
        return
    for machine in machines.list(sizes=False):
        record = machine.record
        if record and record.complete and record.pool == pool.name:
            pool.unmark(record.mark, *filter(None, (record.disk, record.seed)))


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
