"""Making a linked machine independent of its template."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from shlex import quote

from imgpipe.adapters.pool import Moved, unheard
from imgpipe.deploy.definitions import independent
from imgpipe.deploy.existing import ExistingMachine
from imgpipe.deploy.snapshots import commit_command
from imgpipe.deploy.workshop import Workshop
from imgpipe.errors import RecipeError

_POLL_SECONDS = 0.5


def flatten(existing: ExistingMachine, target: str, shop: Workshop, moved: Moved = unheard) -> None:
    """Copy what the machine's disk has in its template into the disk; a running machine goes on meanwhile.

    `target` is the disk's name ('vda'). The disk lets go of the template last, and the record says so after that:
    interrupted, the machine is as it was, and flattening it again goes on or finds nothing to do. Raises RecipeError
    for a machine that imgpipe did not make.
    """
    record = existing.record
    if record is None:
        raise RecipeError(f"The machine '{existing.name}' was not made by imgpipe, which leaves it alone.")
    if not record.linked:
        return
    require_own_disk(existing, shop, top_only=True)
    if existing.active:
        _pull(existing.name, target, shop, moved)
    elif not shop.pool_of(record.pool).flatten(record.disk, moved):
        _pull_in_pause(existing.name, target, shop, moved)
    own = replace(record, linked=False, uuid=existing.uuid)
    shop.machines.define(independent(shop.machines.xml(existing.name), own))


def require_own_disk(existing: ExistingMachine, shop: Workshop, *, top_only: bool = False) -> None:
    """Raise RecipeError unless the definition's disk is a volume of the machine's pool.

    With `top_only` it must be the very disk that imgpipe made, without snapshots on it.
    """
    record = existing.record
    if record is None:
        return
    pool = shop.pool_of(record.pool)
    disk = Path(existing.disk)
    folders = {pool.path, pool.path.resolve() if pool.local else pool.path}
    if disk.parent not in folders or (top_only and disk.name != record.disk):
        raise RecipeError(
            f"The disk of '{existing.name}' is '{existing.disk}', not the volume '{record.disk}' of the pool "
            f"'{pool.name}'; it was not changed.",
            hint=f"After an external snapshot: '{commit_command(existing.name, pool.file(record.disk))}' while it "
            f"runs, then run the command again. 'imgpipe machines forget {quote(existing.name)}' leaves the "
            "machine to virsh.",
        )


def _pull_in_pause(name: str, target: str, shop: Workshop, moved: Moved) -> None:
    """Let QEMU do it where no file can be reached: started, but not run, and gone with this process."""
    shop.machines.start(name, paused=True, ended_with_us=True)
    try:
        _pull(name, target, shop, moved)
    finally:
        shop.machines.force_stop(name)


def _pull(name: str, target: str, shop: Workshop, moved: Moved) -> None:
    shop.machines.begin_pull(name, target)
    while (percent := shop.machines.pull_percent(name, target)) is not None:
        moved(percent)
        time.sleep(_POLL_SECONDS)
    shop.machines.require_independent(name, target)
