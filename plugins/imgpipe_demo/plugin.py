"""The stand-in as a plugin: the medium that behaves as Anaconda's, and the system `demo` that it installs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from imgpipe.hookspecs import hookimpl
from imgpipe.os_family import Fault, MediumIdentity, MediumMaker, Order, OsFamily, System, Unattended
from imgpipe.sizes import GIB
from imgpipe_el.options import ElOptions
from imgpipe_el.release import EL9, Release

STAND_IN = "anaconda-stand-in"

SYSTEM = System(
    name="demo",
    title="the stand-in for Anaconda (Debian packages, installed by kickstart)",
    identity=MediumIdentity(family="imgpipe stand-in"),
    makes=STAND_IN,
    memory=GIB,
    tested="installed, sealed, booted and verified by the project's own tests",
)
# It reads the same kickstarts as Enterprise Linux 9, so what is proven on it is proven of the same files.
_RELEASE: Release = dataclasses.replace(EL9.release(SYSTEM), selinux_needs_argument=False)


@hookimpl
def imgpipe_os_families() -> Iterable[OsFamily]:
    """Yield the family of the demo, which no ISO is needed for."""
    yield OsFamily(
        name="demo",
        answer_kind="kickstart",
        systems=(SYSTEM,),
        prepare=_prepare,
        lint=_lint,
        options=ElOptions,
        stand_in=STAND_IN,
    )


@hookimpl
def imgpipe_medium_makers() -> Iterable[MediumMaker]:
    """Yield the maker of the stand-in medium."""
    from imgpipe_demo import medium

    yield MediumMaker(
        name=STAND_IN,
        summary="installs by kickstart as Anaconda does, from Debian's packages",
        make=medium.make,
        fingerprint=medium.fingerprint,
        programs=medium.HOST_PROGRAMS,
    )


# Loaded when asked: pykickstart and jinja2 are slow to import, and most commands need neither.


def _prepare(order: Order) -> Unattended:
    from imgpipe_el.prepare import prepare_kickstart

    return prepare_kickstart(order, _RELEASE)


def _lint(text: str, _system: System, firmware: str) -> tuple[Fault, ...]:
    from imgpipe_el.lint import lint_kickstart

    return lint_kickstart(text, _RELEASE, firmware)
