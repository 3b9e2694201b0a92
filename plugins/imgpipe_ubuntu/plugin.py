"""Ubuntu Server, 22.04 and 24.04, installed by subiquity's autoinstall from the live-server medium."""

from __future__ import annotations

from collections.abc import Iterable

from imgpipe.hookspecs import hookimpl
from imgpipe.os_family import Fault, Order, OsFamily, System, Unattended
from imgpipe_ubuntu.options import UbuntuOptions
from imgpipe_ubuntu.systems import RELEASES


@hookimpl
def imgpipe_os_families() -> Iterable[OsFamily]:
    """Yield Ubuntu."""
    yield OsFamily(
        name="ubuntu",
        answer_kind="autoinstall",
        systems=tuple(release.system for release in RELEASES.values()),
        prepare=_prepare,
        lint=_lint,
        options=UbuntuOptions,
    )


# Loaded when asked: PyYAML and jsonschema are slow to import, and most commands need neither.


def _prepare(order: Order) -> Unattended:
    from imgpipe_ubuntu.prepare import prepare

    return prepare(order)


def _lint(text: str, system: System, firmware: str) -> tuple[Fault, ...]:
    from imgpipe_ubuntu.lint import lint

    return lint(text, system, firmware)
