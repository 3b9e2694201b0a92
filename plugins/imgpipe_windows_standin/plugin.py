"""The stand-ins as a plugin: two media that can be made where there is no Windows."""

from __future__ import annotations

from collections.abc import Iterable

from imgpipe.hookspecs import hookimpl
from imgpipe.os_family import MediumMaker

SETUP = "windows-setup-stand-in"
DRIVERS = "virtio-win-stand-in"


@hookimpl
def imgpipe_medium_makers() -> Iterable[MediumMaker]:
    """Yield the makers of the Setup medium and of the drivers' medium."""
    from imgpipe_windows_standin import setup_medium, virtio_medium

    yield MediumMaker(
        name=SETUP,
        summary="behaves from outside as Windows Setup does, from Debian's packages",
        make=setup_medium.make,
        fingerprint=setup_medium.fingerprint,
        programs=setup_medium.HOST_PROGRAMS,
    )
    yield MediumMaker(
        name=DRIVERS,
        summary="has the layout of a virtio-win ISO, with dummies for its drivers",
        make=virtio_medium.make,
        fingerprint=virtio_medium.fingerprint,
        programs=virtio_medium.HOST_PROGRAMS,
    )
