"""Disk layouts that the installer refuses, or that do not boot, on a given firmware."""

from __future__ import annotations

import re
from collections.abc import Iterator

from imgpipe.os_family import Fault
from imgpipe.shell_scripts import is_shell, shell_commands
from imgpipe_el.lint.source import Command, Kickstart
from imgpipe_el.release import Release

# The only disk of an install machine is on the virtio bus.
DISK = "vda"
_DISK_NAME = re.compile(r"(?:/dev/)?((?:sd|hd|vd|xvd)[a-z]+|nvme\d+n\d+)$")
_PARTITIONER = re.compile(r"(?:\S*/)?(parted|s?fdisk|sgdisk|gdisk|mkfs(\.\w+)?|mkswap|pvcreate|vgcreate|lvcreate|dd)$")
# Anaconda leaves an unknown disk out of the order, and ends at one in the other options.
_LENIENT_OPTIONS = ("--driveorder",)
_MOUNTED = ("part", "partition", "logvol", "raid", "btrfs", "mount")


def layout_faults(kickstart: Kickstart, release: Release, firmware: str) -> Iterator[Fault]:
    """Yield what is wrong with the disk's layout for a machine with `firmware`."""
    yield from _disk_names(kickstart)
    yield from _volumes(kickstart)
    if not kickstart.includes and not any(kickstart.named("zerombr")):
        text = "'zerombr' is missing: a disk with an unknown label stops the installer."
        yield Fault(line=0, text=text, severity="warning")
    if any(kickstart.named("autopart", "mount")) or kickstart.includes or _partitions_itself(kickstart):
        return
    if "/" not in _mount_points(kickstart):
        yield Fault(line=0, text="Nothing is mounted at '/': give 'part', 'logvol' or 'autopart'.")
    if firmware == "bios":
        yield from _bios(kickstart, release)
    else:
        yield from _uefi(kickstart)


def _partitions_itself(kickstart: Kickstart) -> bool:
    """Say whether a script makes partitions before the installer looks at the disk; then nothing is known of them."""
    for section in kickstart.sections:
        if section.name in {"%pre", "%pre-install"}:
            if not is_shell(section.opening.value("--interpreter") or "/bin/sh"):
                return True
            commands = shell_commands("\n".join(line for _, line in section.body))
            if any(_PARTITIONER.match(word) for command in commands for word in command.words):
                return True
    return False


def _bios(kickstart: Kickstart, release: Release) -> Iterator[Fault]:
    label, line = _disk_label(kickstart, release)
    partitions = tuple(_bios_boot(kickstart))
    required = any(kickstart.named("reqpart"))
    for command in partitions:
        if label == "msdos":
            text = (
                "The disk gets an msdos label here, where biosboot is of no use: add '--disklabel=gpt' to 'clearpart'."
            )
            yield Fault(line=command.line, text=text, severity="warning")
        if command.value("--size").isdigit() and int(command.value("--size")) > 2:
            yield Fault(line=command.line, text="The installer takes a biosboot partition of at most 2 MiB.")
    if label == "gpt" and not partitions and not required:
        text = "A BIOS machine cannot boot from a GPT disk without 'part biosboot --fstype=biosboot --size=2'."
        yield Fault(line=line, text=text)


def _uefi(kickstart: Kickstart) -> Iterator[Fault]:
    for command in _bios_boot(kickstart):
        text = "A UEFI machine has no use for a biosboot partition."
        yield Fault(line=command.line, text=text, severity="warning")
    for command in kickstart.named("logvol"):
        if "/boot/efi" in command.arguments:
            yield Fault(line=command.line, text="UEFI does not read logical volumes: '/boot/efi' is a partition.")
    if "/boot/efi" not in _mount_points(kickstart) and not any(kickstart.named("reqpart")):
        text = "A UEFI machine cannot boot without 'part /boot/efi --fstype=efi --size=200'."
        yield Fault(line=0, text=text)


def _disk_label(kickstart: Kickstart, release: Release) -> tuple[str, int]:
    """Return the label that the disk gets on a BIOS machine, and the line that decides it."""
    line = 0
    for command in kickstart.named("clearpart"):
        line = command.line
        if command.value("--disklabel"):
            return command.value("--disklabel"), line
    return release.installer.disk_label, line


def _disk_names(kickstart: Kickstart) -> Iterator[Fault]:
    for command in kickstart.commands:
        for option in ("--only-use", "--drives", "--ondisk", "--ondrive", "--boot-drive", "--driveorder"):
            for name in filter(None, command.value(option).split(",")):
                match = _DISK_NAME.match(name)
                if match and match[1] != DISK:
                    text = f"The machine has no disk '{name}': its only one, on the virtio bus, is '{DISK}'."
                    lenient = option in _LENIENT_OPTIONS
                    yield Fault(line=command.line, text=text, severity="warning" if lenient else "error")


def _volumes(kickstart: Kickstart) -> Iterator[Fault]:
    if kickstart.includes:
        return
    physical = {name for command in kickstart.named("part", "partition", "raid") for name in command.arguments[:1]}
    groups = set()
    for command in kickstart.named("volgroup"):
        name, *members = command.arguments or ("",)
        groups.add(name)
        for member in members:
            if member.startswith("pv.") and member not in physical:
                yield Fault(line=command.line, text=f"No partition is called '{member}'.")
    for command in kickstart.named("logvol"):
        group = command.value("--vgname")
        if group and group not in groups and not command.has("--useexisting") and not command.has("--noformat"):
            yield Fault(line=command.line, text=f"No 'volgroup' makes the volume group '{group}'.")


def _mount_points(kickstart: Kickstart) -> frozenset[str]:
    words = (word for command in kickstart.named(*_MOUNTED) for word in command.arguments)
    return frozenset(word for word in words if word.startswith("/"))


def _bios_boot(kickstart: Kickstart) -> Iterator[Command]:
    for command in kickstart.named("part", "partition"):
        if "biosboot" in command.arguments[:1] or command.value("--fstype") == "biosboot":
            yield command
