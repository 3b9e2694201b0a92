"""Changing machines that are there: what differs, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePath
from shlex import quote

from imgpipe.adapters.marks import new_mark
from imgpipe.adapters.pool import Pool
from imgpipe.deploy.changes import Modify
from imgpipe.deploy.definition_files import NamedFiles, named_files
from imgpipe.deploy.definitions import DISK_TARGETS, changed, definition
from imgpipe.deploy.existing import MachineRecord
from imgpipe.deploy.flatten import flatten, require_own_disk
from imgpipe.deploy.host_keys import told_fingerprints
from imgpipe.deploy.making import carried_of, iso_of, record_with_seed
from imgpipe.deploy.workshop import Workshop
from imgpipe.errors import GuestError
from imgpipe.events import Note
from imgpipe.identity.digest import is_named_by


def modify(change: Modify, shop: Workshop) -> None:
    """Make one machine what it shall be.

    The definition changes in one step, its record with it. Interrupted before that, the next run finds the same
    difference again; after it, at most that the machine is off.
    """
    machine, existing = change.machine, change.existing
    name = machine.name
    active = existing.active
    if change.grow or change.flatten:
        require_own_disk(existing, shop, top_only=change.flatten)
    if change.needs_stop and active:
        active = not _stopped(name, shop)
    target = DISK_TARGETS[machine.template.hardware.disk_bus]
    if change.flatten:
        flatten(replace(existing, active=active), target, shop)
    if change.grow and active:
        shop.machines.grow_disk(name, target, machine.machine.disk)
    elif change.grow and existing.record:
        shop.pool_of(existing.record.pool).grow(PurePath(existing.disk).name, machine.machine.disk)
    _redefine(change, shop)
    if machine.autostart != existing.autostart:
        shop.machines.set_autostart(name, wanted=machine.autostart)
    if change.start or (existing.active and not active):
        shop.machines.start(name, paused=shop.paused)


def _stopped(name: str, shop: Workshop) -> bool:
    if not shop.may_stop:
        shop.notify(Note(text=f"'{name}' runs: what changes takes effect at its next start."))
        return False
    if not shop.machines.stop(name, shop.shutdown_s):
        raise GuestError(
            f"The machine '{name}' did not shut down within {shop.shutdown_s:.0f} seconds; it was not changed.",
            hint=f"See what it does with 'virsh console {quote(name)}', or end it with 'virsh destroy {quote(name)}'.",
        )
    return True


def _redefine(change: Modify, shop: Workshop) -> None:
    machine, existing = change.machine, change.existing
    old = existing.record
    if old is None:
        return
    carried = carried_of(machine)
    record = _kept(record_with_seed(machine, carried, old.pool), old, change)
    pool = shop.pool_of(old.pool)
    if record.seed and record.seed != old.seed:
        record = _with_new_seed(record, old, change, shop)
    elif record.seed:
        # Also where it says the same: the definition names a seed by its digest, and one of an earlier version has
        # another.
        pool.write_small(record.seed, iso_of(carried))
    policy = replace(shop.policy, folder=pool.path)
    wanted = definition(machine, carried.oem_strings, record, policy)
    before = shop.machines.xml(machine.name)
    shop.machines.define(changed(before, wanted))
    if record.mark:
        pool.unmark(record.mark, record.seed)
    if old.seed and old.seed != record.seed:
        _drop_seed(old.seed, named_files(before), pool, shop)


def _drop_seed(seed: str, mine: NamedFiles, pool: Pool, shop: Workshop) -> None:
    """Delete a seed that the machine does not have any more, unless another one has it too, such as its copy.

    `mine` are the files that it had: one that only its metadata names may be anybody's.
    """
    names = {seed, str(pool.file(seed))}
    users = [one.name for one in shop.machines.named_files() if one.name != mine.name and names & one.files]
    if not names & mine.files:
        shop.notify(
            Note(text=f"The volume '{seed}' stays in the pool '{pool.name}', because '{mine.name}' did not have it.")
        )
    elif users:
        shop.notify(Note(text=f"The volume '{seed}' stays in the pool '{pool.name}', because '{users[0]}' has it too."))
    else:
        pool.delete(seed)


def _with_new_seed(record: MachineRecord, old: MachineRecord, change: Modify, shop: Workshop) -> MachineRecord:
    """Make the seed of a machine that has none of this name, and return its record; raises HostError for a taken one.

    The mark is in the machine's record first: so the next run knows what one that is killed here has made.
    """
    pool, mark = shop.pool_of(old.pool), old.mark or new_mark()
    if pool.is_own(record.seed, mark, ""):
        pool.delete(record.seed)
    pool.unmark(mark, record.seed)
    shop.machines.set_record(change.machine.name, replace(old, mark=mark))
    pool.write_small(record.seed, iso_of(carried_of(change.machine)), mark=mark)
    return replace(record, mark=mark)


def _kept(record: MachineRecord, old: MachineRecord, change: Modify) -> MachineRecord:
    """Keep of the old record what a change does not touch: what the disk was made from, and the guest's word."""
    linked = old.linked and not change.flatten
    proven = old.proven if is_named_by(old.identity, change.machine.identity) else None
    # What a guest is told anew leaves its SSH host keys as they are.
    keys = old.host_keys if proven else told_fingerprints(old)
    return replace(record, template=old.template, disk=old.disk, linked=linked, proven=proven, host_keys=keys)
