"""Removing machines, whole or half-made: nothing of theirs is left, and nothing of anybody else's is touched."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath

from imgpipe.adapters.machines import Machines
from imgpipe.adapters.pool import Pool
from imgpipe.deploy.definition_files import NamedFiles
from imgpipe.deploy.existing import ExistingMachine, MachineRecord
from imgpipe.deploy.snapshots import commit_command
from imgpipe.errors import RecipeError
from imgpipe.images.disk_uses import DiskUse, DiskUses, UseGraph

# What `room.base_volume` makes of a template.
_BASE = re.compile(r"imgpipe-(.+)-[0-9a-f]{8}\.qcow2")


def remove_machine(
    existing: ExistingMachine,
    machines: Machines,
    pool_of: Callable[[str], Pool],
    doomed: Collection[str] = (),
) -> tuple[str, ...]:
    """Remove a machine that imgpipe made: disk, seed, UEFI variables, saved state, definition.

    What is deleted is what its definition has at this moment. `doomed` are the UUIDs of machines that go with it.
    The definition goes last, because it says what else there is: a removal that was interrupted can be repeated.
    Returns volumes that the record names and the definition does not, which stay. Raises RecipeError for a machine
    that imgpipe did not make, or that somebody else's depends on; then nothing was touched.
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
    others = [one for one in named if one.uuid != now.uuid and one.uuid not in doomed]
    going = {PurePath(path).name for one in named if one.uuid in {*doomed, now.uuid} for path in one.files}
    _refuse_needed(f"of the machine '{now.name}' ", volumes, others, going, pool)
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


def own_volumes(mine: NamedFiles, record: MachineRecord, pool: Pool) -> tuple[str, ...]:
    """Return the volumes that are a machine's own: its disk, what lies between that and its template, its seed.

    A snapshot puts an overlay on the disk that imgpipe made; whatever is below that disk is a template's or somebody
    else's. Raises RecipeError for a disk that is no volume of the pool.
    """
    own: dict[str, None] = {}
    for top in mine.disks:
        path = PurePath(top)
        if not _is_in(path, pool):
            raise RecipeError(
                f"The disk of '{mine.name}' is '{top}', which is no volume of the pool '{pool.name}'.",
                hint=f"After an external snapshot, '{commit_command(mine.name, pool.file(record.disk))}' while it runs "
                f"brings it back; 'imgpipe machines forget {mine.name}' leaves the machine to virsh.",
            )
        chain = _chain(path, pool)
        names = [one.name for one in chain]
        # Without the record's disk in it, only the top is certain to be the machine's.
        own |= dict.fromkeys(names[: names.index(record.disk) + 1] if record.disk in names else names[:1])
    if record.seed and str(pool.file(record.seed)) in mine.files:
        own[record.seed] = None
    return tuple(own)


def _is_in(path: PurePath, pool: Pool) -> bool:
    return path.parent in {pool.path, pool.path.resolve() if pool.local else pool.path}


def _chain(path: PurePath, pool: Pool) -> list[PurePath]:
    """Return a disk and what it is built on, as far as that lies in the pool."""
    chain: list[PurePath] = []
    below: PurePath | None = path
    while below is not None and _is_in(below, pool) and below not in chain:
        chain.append(below)
        below = pool.backing(below.name)
    return chain


def _refuse_needed(
    whose: str, volumes: Collection[str], others: Sequence[NamedFiles], going: Iterable[str], pool: Pool
) -> None:
    """Raise RecipeError where another definition, or a volume that stays, needs a volume: itself or by its chain.

    `going` are the volumes that are named by machines which go too; what these are built on goes with them.
    """
    below = {name: base.name for name in pool.names() if (base := pool.backing(name)) and _is_in(base, pool)}
    gone = set(volumes).union(*(_below(name, below) for name in going))
    users = {volume: f"the volume '{volume}'" for volume in below if volume not in gone}
    needed: dict[str, str] = {}
    for volume, user in users.items():
        needed |= dict.fromkeys(_below(volume, below)[1:], user)
    for one in others:
        for path in one.files:
            name = PurePath(path).name
            if "/" not in path or _is_in(PurePath(path), pool):
                needed |= dict.fromkeys(_below(name, below), f"the machine '{one.name}'")
    if pool.local:
        needed |= _needed_from_elsewhere(volumes, others, pool)
    for volume in volumes:
        if volume in needed:
            raise RecipeError(
                f"'{volume}' {whose}is needed by {needed[volume]}; nothing was removed.",
                hint="Remove that first, or make it independent.",
            )


def _needed_from_elsewhere(volumes: Iterable[str], others: Iterable[NamedFiles], pool: Pool) -> dict[str, str]:
    """Return which volumes other machines have by a link, or below an overlay that lies outside the pool."""
    uses = [
        DiskUse(owner=one.name, chain=(path,), ended=path not in one.overlays)
        for one in others
        for path in one.files
        if path.startswith("/")
    ]
    graph = UseGraph(DiskUses(uri="", local=True, uses=tuple(uses)))
    found = {volume: graph.users(pool.file(volume)) for volume in volumes}
    return {volume: f"the machine '{users[0]}'" for volume, users in found.items() if users}


def _below(volume: str, below: Mapping[str, str]) -> list[str]:
    """Return a volume and all that it is built on; a chain that bites its own tail ends there."""
    chain = [volume]
    while (base := below.get(chain[-1])) is not None and base not in chain:
        chain.append(base)
    return chain


def require_leftover(volume: str, machines: Machines, pool: Pool) -> None:
    """Raise RecipeError for a volume that a machine needs, or that is not there."""
    if volume not in pool.names():
        raise RecipeError(
            f"The pool '{pool.name}' has no volume '{volume}'.", hint=f"'virsh vol-list {pool.name}' lists them."
        )
    _refuse_needed("", (volume,), machines.named_files(), (), pool)


def remove_leftover(volume: str, machines: Machines, pool: Pool) -> None:
    """Delete a volume that no machine has; raises RecipeError if one needs it, or it is not there."""
    require_leftover(volume, machines, pool)
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
