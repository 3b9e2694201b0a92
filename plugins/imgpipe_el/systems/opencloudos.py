"""OpenCloudOS: release 8 is a rebuild of Enterprise Linux 8, 9 is independent."""

import dataclasses

from imgpipe.os_family import MediumIdentity, System
from imgpipe.sizes import GIB
from imgpipe_el.release import ANACONDA_38, EL8, Release


def _system(number: int) -> System:
    return System(
        name=f"opencloudos{number}",
        title=f"OpenCloudOS {number}",
        media=(
            f"OpenCloudOS-{number}*-x86_64-minimal.iso",
            f"OpenCloudOS-{number}*-x86_64-dvd.iso",
            f"OpenCloudOS-{number}*-x86_64-everything.iso",
        ),
        download="https://www.opencloudos.org/iso",
        identity=MediumIdentity(volume_id=rf"(?i)opencloudos-{number}"),
        memory=2 * GIB,
    )


RELEASES = (
    dataclasses.replace(EL8.release(_system(8)), kernel=(5, 4)),
    Release(
        system=_system(9),
        installer=ANACONDA_38,
        kernel=(6, 1),
        systemd=255,
        network_profiles="keyfile",
        filesystem="ext4",
        selinux_needs_argument=True,
    ),
)
