"""The kickstart family: Enterprise Linux, its rebuilds and its relatives."""

from __future__ import annotations

from collections.abc import Iterable

from imgpipe.hookspecs import hookimpl
from imgpipe.os_family import Fault, Order, OsFamily, System, Unattended
from imgpipe_el.options import ElOptions
from imgpipe_el.systems import RELEASES


@hookimpl
def imgpipe_os_families() -> Iterable[OsFamily]:
    """Yield the family of all systems that Anaconda installs."""
    yield OsFamily(
        name="el",
        answer_kind="kickstart",
        systems=tuple(release.system for release in RELEASES),
        prepare=_prepare,
        lint=_lint,
        options=ElOptions,
        stand_in="anaconda-stand-in",
    )


# Loaded when asked: pykickstart and jinja2 are slow to import, and most commands need neither.


def _prepare(order: Order) -> Unattended:
    from imgpipe_el.prepare import prepare

    return prepare(order)


def _lint(text: str, system: System, firmware: str) -> tuple[Fault, ...]:
    from imgpipe_el.lint import lint

    return lint(text, system, firmware)
