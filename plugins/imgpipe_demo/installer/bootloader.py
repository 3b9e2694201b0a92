"""The boot loader: GRUB, really installed, with a grub.cfg for the kernels that are there."""

from __future__ import annotations

import shlex
from pathlib import Path

from .answers import Kickstart
from .errors import InstallError
from .mounts import uuid_of
from .options import BootOptions
from .programs import SYSROOT, CommandError, run
from .storage import Storage

_DEFAULT_TIMEOUT = 1
_SERIAL = """serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
"""


def kernel_arguments(kickstart: Kickstart, options: BootOptions) -> str:
    """Return the target's arguments: the kickstart's, then the ones that Anaconda keeps of its own.

    Each stands once, at its last place, as in Anaconda's ordered set (pyanaconda/modules/storage/bootloader/base.py).
    """
    given = (*shlex.split(kickstart.bootloader.appendLine or ""), *options.preserved)
    return " ".join(reversed(dict.fromkeys(reversed(given))))


def install(kickstart: Kickstart, options: BootOptions, storage: Storage, *, uefi: bool) -> None:
    """Install GRUB for the firmware, and its configuration."""
    if kickstart.bootloader.location == "none" or kickstart.bootloader.disabled:
        return
    arguments = kernel_arguments(kickstart, options)
    timeout = kickstart.bootloader.timeout
    seconds = _DEFAULT_TIMEOUT if timeout is None else int(timeout)
    # For the update-grub of a later kernel.
    (SYSROOT / "etc/default/grub").write_text(
        f'GRUB_DEFAULT=0\nGRUB_TIMEOUT={seconds}\nGRUB_DISTRIBUTOR="imgpipe stand-in"\n'
        f'GRUB_CMDLINE_LINUX_DEFAULT=""\nGRUB_CMDLINE_LINUX="{arguments}"\n'
        'GRUB_TERMINAL="console serial"\nGRUB_SERIAL_COMMAND="serial --unit=0 --speed=115200"\n'
        "GRUB_DISABLE_OS_PROBER=true\n"
    )
    try:
        if uefi:
            run(
                *(
                    "grub-install",
                    "--target=x86_64-efi",
                    "--removable",
                    "--no-nvram",
                    "--no-uefi-secure-boot",
                ),
                *(f"--boot-directory={SYSROOT}/boot", f"--efi-directory={SYSROOT}/boot/efi"),
            )
        else:
            run(
                "grub-install",
                "--target=i386-pc",
                f"--boot-directory={SYSROOT}/boot",
                _boot_disk(kickstart, storage),
            )
        (SYSROOT / "boot/grub/grub.cfg").write_text(_configuration(storage, arguments, seconds))
    except CommandError as error:
        raise InstallError(
            "The following error occurred while installing the boot loader. The system will not be bootable. "
            f"Would you like to ignore this and continue with installation?\n\n{error}"
        ) from None


def _boot_disk(kickstart: Kickstart, storage: Storage) -> str:
    named = str(kickstart.bootloader.bootDrive or "").removeprefix("/dev/")
    return f"/dev/{named}" if named else storage.boot_disk


def _configuration(storage: Storage, arguments: str, seconds: int) -> str:
    # Written here and not by grub-mkconfig, whose dozens of probes take a minute in an emulated guest.
    root = next(volume for volume in storage.volumes if volume.wish.mountpoint == "/")
    boot = next((volume for volume in storage.volumes if volume.wish.mountpoint == "/boot"), root)
    source = root.device if root.wish.group else f"UUID={uuid_of(root.device)}"
    folder = "" if boot is not root else "/boot"
    module = "lvm\ninsmod " if boot.wish.group else ""
    lines = [
        _SERIAL,
        f"set timeout={seconds}",
        "set default=0",
        "insmod part_gpt",
        "insmod part_msdos",
        f"insmod {module}{'xfs' if boot.wish.fstype == 'xfs' else 'ext2'}",
        f"search --no-floppy --fs-uuid --set=root {uuid_of(boot.device)}",
    ]
    for kernel in sorted(Path(SYSROOT, "boot").glob("vmlinuz-*"), reverse=True):
        version = kernel.name.removeprefix("vmlinuz-")
        lines += [
            f"menuentry 'imgpipe stand-in ({version})' --class gnu-linux {{",
            f"    linux {folder}/{kernel.name} root={source} ro {arguments}",
            f"    initrd {folder}/initrd.img-{version}",
            "}",
        ]
    return "\n".join(lines) + "\n"
