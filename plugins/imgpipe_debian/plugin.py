"""Debian 12 and 13, installed by debian-installer; the medium of 13 can be made from packages."""

from __future__ import annotations

from collections.abc import Iterable

from imgpipe.hookspecs import hookimpl
from imgpipe.os_family import Fault, MediumMaker, Order, OsFamily, System, Unattended
from imgpipe_debian.systems import NETBOOT, RELEASES


@hookimpl
def imgpipe_os_families() -> Iterable[OsFamily]:
    """Yield Debian."""
    yield OsFamily(
        name="debian",
        answer_kind="preseed",
        systems=tuple(release.system for release in RELEASES.values()),
        prepare=_prepare,
        lint=_lint,
    )


@hookimpl
def imgpipe_medium_makers() -> Iterable[MediumMaker]:
    """Yield the maker of the netboot medium."""
    from imgpipe_debian import netboot

    yield MediumMaker(
        name=NETBOOT,
        summary="the real debian-installer, which fetches the base system from this host's Debian mirror",
        make=netboot.make,
        fingerprint=netboot.fingerprint,
        programs=("apt-get", "dpkg-deb", "depmod", "xorriso"),
    )


# Loaded when asked: jinja2 is slow to import, and most commands do not need it.


def _prepare(order: Order) -> Unattended:
    from imgpipe_debian.prepare import prepare

    return prepare(order)


def _lint(text: str, system: System, firmware: str) -> tuple[Fault, ...]:
    from imgpipe_debian.lint import lint

    return lint(text, system, firmware)
