"""Making a linked machine independent of its template."""

from __future__ import annotations

import time
from dataclasses import replace

from imgpipe.adapters.pool import Moved, unheard
from imgpipe.deploy.definitions import independent
from imgpipe.deploy.existing import ExistingMachine
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
    if existing.active:
        _pull(existing.name, target, shop, moved)
    elif not shop.pool_of(record.pool).flatten(record.disk, moved):
        _pull_in_pause(existing.name, target, shop, moved)
    shop.machines.define(independent(shop.machines.xml(existing.name), replace(record, linked=False)))


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
