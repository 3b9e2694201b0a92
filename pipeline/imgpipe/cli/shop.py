"""What commands about machines work with: libvirt, a storage pool, and how this host makes machines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from imgpipe.cli import context, output
from imgpipe.events import Event, Note

if TYPE_CHECKING:
    from imgpipe.adapters.hypervisor import Hypervisor
    from imgpipe.adapters.pool import Pool
    from imgpipe.deploy.wanted import Template, WantedMachine
    from imgpipe.deploy.workshop import Inject, Workshop
    from imgpipe.disk_source import Format


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How machines are worked on: so many at a time, stopped if they must, started without running; or only planned.

    `despite_unknown` removes them also where it cannot be seen who else needs their disks.
    """

    at_once: int = 4
    may_stop: bool = False
    shutdown_s: float = 120
    paused: bool = False
    planned: bool = False
    despite_unknown: bool = False


def hear(event: Event) -> None:
    """Say notes on stderr, while there is no display for them."""
    if isinstance(event, Note):
        output.tell(f"{'warning' if event.warning else 'note'}: {event.text}")


@contextmanager
def connected(*, planned: bool = False) -> Iterator[Hypervisor]:
    """Yield the hypervisor, for as long as the block lasts; where all is `planned`, nothing is remembered of it."""
    hypervisor = context.hypervisor(hear, planned=planned)
    try:
        yield hypervisor
    finally:
        hypervisor.close()


def open_shop(hypervisor: Hypervisor, pool: str | None, manner: Manner) -> Workshop:
    """Open the pool that new disks lie in, and decide what this host decides of every machine."""
    from imgpipe.adapters.machines import Machines
    from imgpipe.deploy.workshop import Workshop, host_policy

    store = context.store()
    opened, pool_of = _pools(hypervisor, pool, planned=manner.planned)
    return Workshop(
        machines=Machines(hypervisor, context.uses_elsewhere),
        pool=opened,
        pool_of=pool_of,
        policy=host_policy(hypervisor, opened, store.images, hear, context.settings().cpu),
        store=store,
        notify=hear,
        inject=_injection(hypervisor),
        at_once=manner.at_once,
        may_stop=manner.may_stop,
        shutdown_s=manner.shutdown_s,
        paused=manner.paused,
        despite_unknown=manner.despite_unknown,
    )


def look_around(hypervisor: Hypervisor, pool: str | None, manner: Manner) -> Workshop:
    """Return a shop to judge by: its pool is neither made nor started, so what is refused leaves all as it was.

    A pool of another host that is off is started: what is in it cannot be seen otherwise.
    """
    return open_shop(hypervisor, pool, replace(manner, planned=manner.planned or hypervisor.local))


def with_pool(shop: Workshop, hypervisor: Hypervisor, pool: str | None) -> Workshop:
    """Return the shop of `look_around` with its pool made and started, for what was not refused."""
    opened, pool_of = _pools(hypervisor, pool, planned=False)
    return replace(shop, pool=opened, pool_of=pool_of)


def _pools(hypervisor: Hypervisor, pool: str | None, *, planned: bool) -> tuple[Pool, Callable[[str | None], Pool]]:
    """Return the pool of new disks, and what opens another by its name."""
    from imgpipe.adapters.pools import open_pool, planned_pool

    folder = context.store().root / "machines"

    @cache
    def other(name: str | None) -> Pool:
        return planned_pool(hypervisor, name, folder) if planned else open_pool(hypervisor, name, folder, hear)

    opened = other(pool or context.settings().pool)
    return opened, lambda name: opened if name == opened.name else other(name)


def foreign(
    hypervisor: Hypervisor,
    disk: Path,
    form: Format | None = None,
    trusted: Sequence[Path] = (),
    *,
    planned: bool = False,
) -> Template:
    """Check a disk that imgpipe did not build, look at it, and return it as a template; a plan remembers nothing."""
    from imgpipe.deploy.foreign_template import foreign_template
    from imgpipe.disk_source import check_source
    from imgpipe.home import in_home

    store = context.store()
    checked = check_source(in_home(disk), form, trusted=trusted, images=store.images)
    output.tell(f"note: Looking at what is on '{disk}'.")
    return foreign_template(checked, store, hypervisor.accelerator(), remember=not planned)


def _injection(hypervisor: Hypervisor) -> Inject:
    """Return what writes identities to disks that no unit of imgpipe's gives one."""

    def inject(disks: Sequence[tuple[WantedMachine, Path]]) -> None:
        from imgpipe.deploy.injection import injection

        log = context.store().root / "work" / "injection.log"
        injection(hypervisor.accelerator, log)(disks)

    return inject
