"""Anolis OS: release 8 is a rebuild of Enterprise Linux 8 with kernels of its own, 23 is independent."""

import dataclasses

from imgpipe.os_family import MediumIdentity, System
from imgpipe.sizes import GIB
from imgpipe_el.release import ANACONDA_38, EL8, Release


def _system(number: int, libosinfo: str) -> System:
    return System(
        name=f"anolis{number}",
        title=f"Anolis OS {number}",
        libosinfo=libosinfo,
        media=(f"AnolisOS-{number}*-x86_64-minimal.iso", f"AnolisOS-{number}*-x86_64-dvd.iso"),
        download="https://openanolis.cn/download",
        # What .treeinfo says of itself is not known; the volume ids are those of libosinfo's database.
        identity=MediumIdentity(volume_id=rf"(?i)anolis(os)?-{number}"),
        memory=2 * GIB,
    )


RELEASES = (
    dataclasses.replace(
        EL8.release(_system(8, "anolis8.8")),
        # 8.8 and 8.9 name kernel and initrd with their version.
        kernel_paths=("images/pxeboot/vmlinuz", "images/pxeboot/vmlinuz-*", "isolinux/vmlinuz"),
        initrd_paths=("images/pxeboot/initrd.img", "images/pxeboot/initrd-*.img", "isolinux/initrd.img"),
    ),
    Release(
        system=_system(23, "anolis23.1"),
        installer=ANACONDA_38,
        kernel=(5, 10),
        systemd=255,
        network_profiles="keyfile",
        filesystem="ext4",
        selinux_needs_argument=True,
    ),
)
