"""Doing what a plan says: machines are removed, changed and made, a few at a time, each whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TypeVar

from imgpipe.adapters.pool import Pool
from imgpipe.deploy.built_upon import require_nothing_above
from imgpipe.deploy.changes import Change, Make, Modify, Rebuild, Remove
from imgpipe.deploy.existing import ExistingMachine, MachineRecord
from imgpipe.deploy.host_keys import forget_host_keys
from imgpipe.deploy.making import Making, tell_progress
from imgpipe.deploy.modifying import modify
from imgpipe.deploy.needed import survey
from imgpipe.deploy.parallel import each
from imgpipe.deploy.removal import remove_machine, unmark_complete, unused_bases
from imgpipe.deploy.workshop import Workshop
from imgpipe.errors import ImgpipeError
from imgpipe.events import Listener, Note
from imgpipe.images.catalog import image_lock
from imgpipe.images.disk_uses import UseGraph
from imgpipe.stages.watching import ended_by_sigterm
from imgpipe.store import Store, lock

_Item = TypeVar("_Item")


def fleet_lock(store: Store, fleet: str, notify: Listener) -> AbstractContextManager[None]:
    """Hold a fleet's name, from before its plan is made until it is done: two runs would undo each other's work."""
    path = store.lock_file(f"fleet-{fleet}")
    return lock(path, lambda holder: notify(Note(text=f"Waiting for {holder}, who works on the fleet '{fleet}'.")))


def apply(changes: Sequence[Change], shop: Workshop) -> None:
    """Carry out a plan's changes; under `fleet_lock`.

    Removals come first, because names, addresses and room may be taken over. Ctrl-C and SIGTERM stop it between two
    steps: what is complete stays, what was begun is removed. Raises the first error, after what was under way is
    over; running it again goes on from there.
    """
    doomed = tuple(_doomed(changes))
    modified = [change for change in changes if isinstance(change, Modify)]
    made = [change.machine for change in changes if isinstance(change, Make | Rebuild)]
    if shop.pool.local:
        require_nothing_above([change.existing for change in modified if change.start], shop.machines)
    with ended_by_sigterm():
        try:
            unmark_complete(shop.machines, shop.pool)
            _remove(doomed, shop)
            _all(modified, lambda change: modify(change, shop), shop, "machines are changed")
            if made:
                Making(made, shop).run()
        finally:
            if doomed:
                _drop_bases(doomed, shop)


def remove(machines: Sequence[ExistingMachine], shop: Workshop) -> None:
    """Remove machines that imgpipe made, with all that is theirs; raises RecipeError if one is not."""
    apply([Remove(existing=machine) for machine in machines], shop)


def _doomed(changes: Iterable[Change]) -> Iterator[ExistingMachine]:
    for change in changes:
        if isinstance(change, Remove | Rebuild):
            yield change.existing
        elif isinstance(change, Make) and change.leftover:
            yield change.leftover


def _remove(doomed: Sequence[ExistingMachine], shop: Workshop) -> None:
    if not doomed:
        return
    known = survey(doomed, shop.machines, shop.pool_of, trusting=shop.despite_unknown)

    def drop(existing: ExistingMachine) -> None:
        for text in remove_machine(existing, shop.machines, shop.pool_of, known):
            shop.notify(Note(text=text, warning=True))
        forget_host_keys(existing, shop.store)

    _all(doomed, drop, shop, "machines are removed")


def _drop_bases(removed: Iterable[ExistingMachine], shop: Workshop) -> None:
    """Delete uploaded images that nobody needs any more; that this fails is no reason to fail."""
    records = [machine.record for machine in removed if machine.record]
    try:
        for name in sorted({record.pool for record in records}):
            pool = shop.pool_of(name)
            pool.refresh()
            if not pool.local:
                gone = [record for record in records if record.pool == name]
                with _pinned_nowhere(gone, shop.store):
                    left = [one for one in shop.machines.list(sizes=False) if one.record and one.record.pool == name]
                    _delete_bases(unused_bases(pool.names(), gone, left), pool, shop)
    except ImgpipeError as error:
        shop.notify(Note(text=f"An image that no machine needs could not be deleted: {error}", warning=True))


@contextmanager
def _pinned_nowhere(records: Iterable[MachineRecord], store: Store) -> Iterator[None]:
    """Hold the names of templates, so that no deploy begins to need their uploads; raises HostError if one is held."""
    with ExitStack() as stack:
        for name in sorted({record.template.partition("@")[0] for record in records if "@" in record.template}):
            stack.enter_context(image_lock(store, name, lambda _: None, wait=False))
        yield


def _delete_bases(names: Sequence[str], pool: Pool, shop: Workshop) -> None:
    """Delete uploaded images, each only if nobody has it below a disk; what cannot be known keeps it."""
    for name in names:
        known = UseGraph(shop.machines.disk_uses())
        reasons = known.users(pool.file(name)) or known.unknown
        if reasons:
            shop.notify(Note(text=f"The image '{name}' stays in the pool '{pool.name}': {', '.join(reasons[:5])}."))
        else:
            pool.delete(name)


def _all(items: Sequence[_Item], act: Callable[[_Item], None], shop: Workshop, phase: str) -> None:
    over = 0

    def done(_item: _Item) -> None:
        nonlocal over
        over += 1
        tell_progress(shop, phase, over, len(items))

    each(items, act, shop.at_once, done)
