"""The releases of Ubuntu Server that are known, one record each."""

from __future__ import annotations

from dataclasses import dataclass

from imgpipe.os_family import MediumIdentity, System
from imgpipe.sizes import GIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A system, and what differs between releases while installing it.

    `xfs_options` are options of mkfs.xfs that keep the file system readable by older kernels of KVM hosts.
    """

    system: System
    xfs_options: tuple[str, ...] = ()


def _system(version: str, title: str, memory: int) -> System:
    escaped = version.replace(".", r"\.")
    return System(
        name=f"ubuntu{version}",
        title=title,
        libosinfo=f"ubuntu{version}",
        media=(f"ubuntu-{version}*-live-server-amd64.iso",),
        download="https://ubuntu.com/download/server",
        identity=MediumIdentity(
            disk_info=rf"Ubuntu-Server {escaped}(\.\d+)?( LTS)? .*\bamd64\b",
            volume_id=rf"Ubuntu-Server {escaped}(\.\d+)?( LTS)? amd64",
        ),
        memory=memory,
    )


# The least memory is osinfo-db's (data/os/ubuntu.com): the installer unpacks its snaps into memory.
JAMMY = Release(system=_system("22.04", "Ubuntu Server 22.04 LTS (Jammy Jellyfish)", 2 * GIB))

# mkfs.xfs of 24.04 sets nrext64, which kernels before 5.19 refuse to mount; the option is unknown to 22.04's.
NOBLE = Release(
    system=_system("24.04", "Ubuntu Server 24.04 LTS (Noble Numbat)", 3 * GIB), xfs_options=("-i", "nrext64=0")
)

RELEASES = {release.system.name: release for release in (JAMMY, NOBLE)}
