"""Makes the disk start this program again after the reboot, from its own system partition.

By BIOS GRUB's boot.img goes into the boot sector and its core.img behind it, laid out as in grub-bios-setup's
sources (include/grub/i386/pc/boot.h); by UEFI the shim and GRUB of Debian go to the removable media path, signed.
"""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

from imgpipe_demo.installer.programs import run

from .partitions import DISK

FOLDER = "imgpipe-standin"
"""The folder of the kernel, in the root of the system partition."""

_SECTOR = 512
_CODE = 440
"""Bytes of the boot sector before the disk's signature and the partition table."""


def install(system: Path, medium: Path, *, uefi: bool) -> None:
    """Copy kernel, initrd and boot loader of the medium to the mounted system partition, and to the disk's start."""
    target, loaders = system / FOLDER, medium / "boot/disk"
    target.mkdir()
    for name in ("vmlinuz", "initrd.img"):
        shutil.copyfile(medium / "boot" / name, target / name)
    if uefi:
        for source, place in (
            ("bootx64.efi", "EFI/BOOT/BOOTX64.EFI"),
            ("grubx64.efi", "EFI/BOOT/grubx64.efi"),
            ("disk.cfg", "EFI/debian/grub.cfg"),
        ):
            (system / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(loaders / source, system / place)
    else:
        sector, core = boot_sector((loaders / "boot.img").read_bytes(), (loaders / "core.img").read_bytes())
        with DISK.open("r+b") as disk:
            disk.write(sector)
            disk.seek(_SECTOR)
            disk.write(core)
    run("sync")


def boot_sector(boot: bytes, core: bytes) -> tuple[bytes, bytes]:
    """Return the code of the boot sector, and the image that it loads from the sectors behind it."""
    sectors = -(-(len(core) - _SECTOR) // _SECTOR)
    # The first sector of the core ends with where the rest is: first sector (64 bits), how many, load segment.
    blocks = struct.pack("<QHH", 2, sectors, 0x820)
    return boot[:_CODE], core[: _SECTOR - len(blocks)] + blocks + core[_SECTOR:]
