"""What belongs to a machine, and so goes with it."""

from __future__ import annotations

from pathlib import PurePath

from imgpipe.adapters.pool import Pool
from imgpipe.deploy.definition_files import NamedFiles
from imgpipe.deploy.existing import MachineRecord
from imgpipe.errors import RecipeError


def own_volumes(mine: NamedFiles, record: MachineRecord, pool: Pool) -> tuple[str, ...]:
    """Return the volumes that are a machine's own: its disk, what lies between that and its template, its seed.

    A snapshot puts an overlay on the disk that imgpipe made; whatever is below that disk is a template's or somebody
    else's. Raises RecipeError for a disk that is no volume of the pool.
    """
    own: dict[str, None] = {}
    for top in mine.disks:
        path = PurePath(top)
        if not is_in(path, pool):
            raise RecipeError(
                f"The disk of '{mine.name}' is '{top}', which is no volume of the pool '{pool.name}'.",
                hint="After an external snapshot, 'virsh blockcommit "
                f"{mine.name} DISK --active --pivot' brings it back; 'imgpipe machines forget {mine.name}' leaves "
                "the machine to virsh.",
            )
        chain = _chain(path, pool)
        names = [one.name for one in chain]
        # Without the record's disk in it, only the top is certain to be the machine's.
        own |= dict.fromkeys(names[: names.index(record.disk) + 1] if record.disk in names else names[:1])
    if record.seed and str(pool.file(record.seed)) in mine.files:
        own[record.seed] = None
    return tuple(own)


def is_in(path: PurePath, pool: Pool) -> bool:
    """Say whether a path is that of a volume of the pool, be it there or not."""
    return path.parent in {pool.path, pool.path.resolve() if pool.local else pool.path}


def _chain(path: PurePath, pool: Pool) -> list[PurePath]:
    """Return a disk and what it is built on, as far as that lies in the pool."""
    chain: list[PurePath] = []
    below: PurePath | None = path
    while below is not None and is_in(below, pool) and below not in chain:
        chain.append(below)
        below = pool.backing(below.name)
    return chain
