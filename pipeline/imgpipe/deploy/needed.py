"""Who else needs a volume that is about to be deleted; where that cannot be known, nothing is deleted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath

from imgpipe.adapters.machines import Machines
from imgpipe.adapters.pool import Pool
from imgpipe.deploy.belongings import belongings, is_in, names_of
from imgpipe.deploy.definition_files import NamedFiles
from imgpipe.deploy.existing import ExistingMachine
from imgpipe.errors import HostError, RecipeError
from imgpipe.images.disk_uses import DiskUse, DiskUses, UseGraph


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What libvirt told of all disks before a batch of removals.

    `uuids` and `names` are the machines that go, `files` the volumes that go with them. `elsewhere` is what other
    daemons of this host told, by their URI. `trusting` says that whoever asked takes it upon himself that nothing needs
    them which could not be seen.
    """

    graph: UseGraph
    elsewhere: Mapping[str, UseGraph] = field(default_factory=dict)
    uuids: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    files: frozenset[Path] = frozenset()
    trusting: bool = False


def survey(
    doomed: Iterable[ExistingMachine], machines: Machines, pool_of: Callable[[str], Pool], *, trusting: bool = False
) -> Survey:
    """Ask libvirt for all disks, once for the whole batch of machines that go.

    Raises RecipeError where a machine's disk is no volume of its pool, HostError where libvirt does not answer.
    """
    going = {machine.uuid: machine for machine in doomed}
    files: set[Path] = set()
    for mine in machines.named_files():
        machine = going.get(mine.uuid)
        if machine is not None and machine.record is not None:
            pool = pool_of(machine.record.pool)
            known = replace(mine, snapshots=machines.snapshot_files(mine.name))
            own = belongings(known, machine.record, pool).volumes
            files |= {pool.file(name) for name in names_of(own, machine.record, pool)}
    return Survey(
        graph=UseGraph(machines.disk_uses()),
        elsewhere={told.uri: UseGraph(told) for told in machines.disk_uses_elsewhere()},
        uuids=frozenset(going),
        names=frozenset(machine.name for machine in going.values()),
        files=frozenset(files),
        trusting=trusting,
    )


def refuse_needed(whose: str, volumes: Collection[str], named: Iterable[NamedFiles], pool: Pool, known: Survey) -> None:
    """Raise unless nothing that stays needs the volumes: RecipeError if it does, HostError if that is not known.

    `named` are the files of all machines at this moment; `whose` says in the message whose volumes they are.
    """
    others = [one for one in named if one.uuid not in known.uuids]
    files = known.files | {pool.file(volume) for volume in volumes}
    needed = _needed_in_pool(volumes, others, files, pool)
    if pool.local:
        needed |= _needed_from_elsewhere(volumes, others, pool)
    for volume in volumes:
        users = known.graph.needed_by(pool.file(volume), files, known.names)
        user = needed.get(volume) or (f"'{users[0]}'" if users else _user_elsewhere(pool.file(volume), known))
        if user:
            raise RecipeError(
                f"'{volume}' {whose}is needed by {user}; nothing was removed.",
                hint="Remove that first, or make it independent.",
            )
    unseen = known.graph.unseen(files)
    if unseen and volumes and not known.trusting:
        raise HostError(
            f"It is not known whether something needs '{next(iter(volumes))}' {whose}".rstrip()
            + "; nothing was removed.",
            hint="Mend what is named here (start the pool, or let this user read the disk), or take it upon yourself "
            "with 'imgpipe machines destroy --despite-unknown'.",
            details=unseen[:20],
        )


def _user_elsewhere(disk: Path, known: Survey) -> str:
    """Return whose it is at another daemon, be it by the same definition; nothing where it is nobody's there."""
    found = ((uri, users[0]) for uri, graph in known.elsewhere.items() if (users := graph.users(disk)))
    return next((f"'{user}' of '{uri}'" for uri, user in found), "")


def _needed_in_pool(
    volumes: Collection[str], others: Sequence[NamedFiles], going: Collection[Path], pool: Pool
) -> dict[str, str]:
    """Return who needs which volume: another definition, or a volume that stays, itself or by its chain."""
    below = {name: base.name for name in pool.names() if (base := pool.backing(name)) and is_in(base, pool)}
    needed: dict[str, str] = {}
    for name in below:
        if pool.file(name) not in going:
            needed |= dict.fromkeys(_below(name, below)[1:], f"the volume '{name}'")
    for one in others:
        for path in one.files:
            if "/" not in path or is_in(PurePath(path), pool):
                needed |= dict.fromkeys(_below(PurePath(path).name, below), f"the machine '{one.name}'")
    return {volume: user for volume, user in needed.items() if volume in volumes}


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
