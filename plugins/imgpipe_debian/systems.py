"""The releases of Debian that are known, one record each."""

from __future__ import annotations

from dataclasses import dataclass

from imgpipe.os_family import UNTESTED, MediumIdentity, System
from imgpipe.sizes import GIB

NETBOOT = "debian-13-netboot"


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A system, and the suite of Debian's archive that it is."""

    system: System
    suite: str


def _system(number: int, codename: str, *, makes: str = "", tested: str = UNTESTED) -> System:
    return System(
        name=f"debian{number}",
        title=f"Debian {number} ({codename.capitalize()})",
        libosinfo=f"debian{number}",
        media=(f"debian-{number}.*-amd64-netinst.iso", f"debian-{number}.*-amd64-DVD-1.iso"),
        download="https://www.debian.org/CD/netinst/",
        identity=MediumIdentity(disk_info=rf"Debian GNU/Linux {number}(\.\d+)* .*\bamd64\b", arch=""),
        makes=makes,
        # debian-installer and the base system fit in 512 MiB; the kernel's own packages want more to unpack.
        memory=GIB,
        tested=tested,
    )


_TESTED = "installed by the real debian-installer, from a medium made of Debian's packages, in the project's own tests"

RELEASES = {
    release.system.name: release
    for release in (
        Release(system=_system(12, "bookworm"), suite="bookworm"),
        Release(system=_system(13, "trixie", makes=NETBOOT, tested=_TESTED), suite="trixie"),
    )
}
