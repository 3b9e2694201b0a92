"""What belongs to a machine, and so goes with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from shlex import quote

from imgpipe.adapters.marks import is_marked
from imgpipe.adapters.pool import Pool
from imgpipe.deploy.definition_files import NamedFiles
from imgpipe.deploy.existing import MachineRecord
from imgpipe.deploy.snapshots import commit_command
from imgpipe.errors import RecipeError


@dataclass(frozen=True, slots=True, kw_only=True)
class Belongings:
    """What goes with a machine: its `volumes`. `strange` are volumes of its that are not shown to be its own, and stay.

    So do its UEFI variables and the state of its TPM where it does not have `variables` or a `tpm` of its own.
    """

    volumes: tuple[str, ...]
    strange: tuple[str, ...] = ()
    variables: bool = True
    tpm: bool = True


def belongings(mine: NamedFiles, record: MachineRecord, pool: Pool) -> Belongings:
    """Return what goes with a machine: of a whole one what its definition has, of a half-made one what is proven.

    Between its definition and its disk, or between its disk and the end of its definition, somebody else may have
    taken their names. Raises RecipeError for the disk of a whole machine that is no volume of the pool.
    """
    there = pool.names()
    if record.complete:
        own = own_volumes(mine, record, pool)
        strange = [name for name in (record.disk, record.seed) if name in there and name not in own]
        return Belongings(volumes=own, strange=tuple(strange))
    proofs = dict(record.proofs)
    tops = [PurePath(top).name for top in mine.disks if is_in(PurePath(top), pool)]
    asked = [name for name in dict.fromkeys((*tops, *proofs, record.disk, record.seed)) if name in there]
    own = tuple(name for name in asked if pool.is_own(name, record.mark, proofs.get(name, "")))
    copied = bool(mine.nvram) and all(is_marked(Path(path), record.mark) for path in mine.nvram)
    return Belongings(
        volumes=own,
        strange=tuple(name for name in asked if name not in own),
        variables=record.state == "own" or copied,
        tpm=bool(record.state),
    )


def names_of(volumes: Iterable[str], record: MachineRecord, pool: Pool) -> frozenset[str]:
    """Return all names of a machine's volumes, the hidden ones included."""
    return frozenset(each for name in volumes for each in (name, *pool.hidden(name, record.mark)))


def refuse_taken(wanted: Iterable[str], pool: Pool) -> None:
    """Raise RecipeError where the pool has volumes of the names that new machines' shall have."""
    there = pool.names()
    if taken := [name for name in wanted if name in there]:
        raise RecipeError(
            f"The pool '{pool.name}' has volumes already that new machines would have.",
            hint="Give the machines other names, or delete the volumes if nobody needs them: "
            f"'imgpipe machines destroy --leftover {quote(pool.name)}/{quote(taken[0])}'.",
            details=taken[:20],
        )


def own_volumes(mine: NamedFiles, record: MachineRecord, pool: Pool) -> tuple[str, ...]:
    """Return the volumes that are a machine's own: its disk, what lies between that and its template, its seed.

    A snapshot puts an overlay on the disk that imgpipe made, and a revert or a commit leaves such overlays behind;
    whatever is below that disk is a template's or somebody else's. Raises RecipeError for a disk that is no volume of
    the pool.
    """
    own: dict[str, None] = {}
    for top in mine.disks:
        path = PurePath(top)
        if not is_in(path, pool):
            raise RecipeError(
                f"The disk of '{mine.name}' is '{top}', which is no volume of the pool '{pool.name}'.",
                hint=f"After an external snapshot, '{commit_command(mine.name, pool.file(record.disk))}' while it runs "
                f"brings it back; 'imgpipe machines forget {quote(mine.name)}' leaves the machine to virsh.",
            )
        chain = _chain(path, pool)
        names = [one.name for one in chain]
        # Without the record's disk in it, only the top is certain to be the machine's.
        own |= dict.fromkeys(names[: names.index(record.disk) + 1] if record.disk in names else names[:1])
    own |= dict.fromkeys(_left_by_snapshots(mine, record, pool))
    if record.seed and str(pool.file(record.seed)) in mine.files:
        own[record.seed] = None
    return tuple(own)


def is_in(path: PurePath, pool: Pool) -> bool:
    """Say whether a path is that of a volume of the pool, be it there or not."""
    return path.parent in {pool.path, pool.path.resolve() if pool.local else pool.path}


def _left_by_snapshots(mine: NamedFiles, record: MachineRecord, pool: Pool) -> Iterator[str]:
    """Yield the volumes above the machine's disk that its own snapshots made, though it does not use them now."""
    there = pool.names() if mine.snapshots else frozenset()
    for text in sorted(mine.snapshots):
        path = PurePath(text)
        if is_in(path, pool) and path.name in there:
            names = [one.name for one in _chain(path, pool)]
            yield from names[: names.index(record.disk)] if record.disk in names else ()


def _chain(path: PurePath, pool: Pool) -> list[PurePath]:
    """Return a disk and what it is built on, as far as that lies in the pool."""
    chain: list[PurePath] = []
    below: PurePath | None = path
    while below is not None and is_in(below, pool) and below not in chain:
        chain.append(below)
        below = pool.backing(below.name)
    return chain
