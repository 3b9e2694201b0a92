"""Whether Setup gets through: nothing it would ask is unanswered, and the disk suits the firmware."""

from __future__ import annotations

import re
from collections.abc import Iterator

from imgpipe.os_family import Fault
from imgpipe_windows.lint.components import component_name
from imgpipe_windows.lint.source import Node
from imgpipe_windows.systems import Release

_LETTER = re.compile(r"[A-Za-z]:")
_SINCE_8 = ("HideLocalAccountScreen", "HideOEMRegistrationScreen", "HideOnlineAccountScreens")
_NEW_SETUP = 26100
"""The build whose Setup ends at a driver path that does not exist (0x80070103)."""


def setup_faults(root: Node, release: Release, firmware: str) -> Iterator[Fault]:
    """Yield what would make Setup ask, wait or fail on this system and firmware."""
    setup = _component(root, "windowsPE", "Setup")
    if setup is None:
        yield Fault(
            line=root.line, text="without 'Microsoft-Windows-Setup' in the pass 'windowsPE' Setup asks a person"
        )
        return
    yield from _questions(setup)
    for disk in setup.all():
        if disk.name == "Disk":
            yield from _partitions(disk, setup, firmware)
        if disk.name == "DiskID" and disk.text.strip() not in {"", "0"}:
            text = f"the machine has no disk '{disk.text.strip()}': its only one is 0"
            yield Fault(line=disk.line, text=text)
    yield from _drivers(root, release)
    yield from _wizard(root, release)


def _component(root: Node, phase: str, short: str) -> Node | None:
    for settings in root.children:
        if settings.attributes.get("pass") == phase:
            for component in settings.children:
                if component.attributes.get("name") == component_name(short):
                    return component
    return None


def _questions(setup: Node) -> Iterator[Fault]:
    licence = setup.child("UserData", "AcceptEula")
    if licence is None or licence.text.strip().lower() != "true":
        line = licence.line if licence else setup.line
        yield Fault(line=line, text="UserData/AcceptEula is not true: Setup shows the licence and waits")
    image = setup.child("ImageInstall", "OSImage")
    if image is None:
        yield Fault(line=setup.line, text="ImageInstall/OSImage is missing: Setup asks which edition, and where")
        return
    if image.child("InstallFrom", "MetaData") is None and not setup.value("UserData", "ProductKey", "Key"):
        yield Fault(
            line=image.line, text="neither InstallFrom nor a product key names an edition: Setup may ask for it"
        )
    if image.child("InstallTo") is None and image.value("InstallToAvailablePartition").lower() != "true":
        yield Fault(line=image.line, text="OSImage/InstallTo is missing: Setup asks where to install")


def _partitions(disk: Node, setup: Node, firmware: str) -> Iterator[Fault]:
    created = [node for node in disk.all() if node.name == "CreatePartition"]
    kinds = [node.value("Type").upper() for node in created]
    if created and firmware == "uefi" and "EFI" not in kinds:
        yield Fault(line=disk.line, text="UEFI starts from an EFI system partition, and none is made")
    yield from _formats(disk, kinds)
    if firmware == "bios":
        for node, kind in zip(created, kinds, strict=True):
            if kind in {"EFI", "MSR"}:
                yield Fault(line=node.line, text=f"a partition of type {kind} is for UEFI; BIOS starts from an MBR")
        if created and not any(node.name == "Active" and node.text.strip() == "true" for node in disk.all()):
            # Setup makes the one that it puts the boot files on active itself, where it may choose.
            text = "BIOS starts from the active partition, and none is made active"
            yield Fault(line=disk.line, text=text, severity="warning")
    target = setup.child("ImageInstall", "OSImage", "InstallTo", "PartitionID")
    if target is None or not created:
        return
    number = target.text.strip()
    if number not in {str(count) for count in range(1, len(created) + 1)}:
        yield Fault(line=target.line, text=f"Windows shall go to the partition {number}, which is not made")
    elif number != str(len(created)):
        text = "the system is not the last partition, so it cannot grow into a clone's larger disk"
        yield Fault(line=target.line, text=text, severity="warning")


def _formats(disk: Node, kinds: list[str]) -> Iterator[Fault]:
    for node in disk.all():
        if node.name == "ModifyPartition" and node.value("Format").upper() in {"NTFS", "REFS"}:
            number = node.value("PartitionID")
            if number.isdigit() and 0 < int(number) <= len(kinds) and kinds[int(number) - 1] == "EFI":
                yield Fault(line=node.line, text="an EFI system partition is formatted as FAT32")


def _drivers(root: Node, release: Release) -> Iterator[Fault]:
    paths = [node.child("Path") for node in root.all() if node.name == "PathAndCredentials"]
    lettered = [path for path in paths if path is not None and _LETTER.match(path.text.strip())]
    drives = {path.text.strip()[0].upper() for path in lettered}
    # One exact path works there; several drives are a list of guesses, of which all but one do not exist.
    fatal = release.builds[1] >= _NEW_SETUP and len(drives) > 1
    for path in lettered:
        text = "a driver path with a drive letter is a guess; put the drivers into '$WinPEDriver$' of the CD"
        if fatal:
            text += f": {release.system.title} ends with 0x80070103 where one does not exist"
        yield Fault(line=path.line, text=text, severity="error" if fatal else "warning")


def _wizard(root: Node, release: Release) -> Iterator[Fault]:
    for node in root.all():
        if release.is_old and node.name in _SINCE_8:
            yield Fault(
                line=node.line, text=f"'{node.name}' is unknown to {release.system.title}, and Setup stops at it"
            )
    if _component(root, "oobeSystem", "Shell-Setup") is None:
        yield Fault(line=root.line, text="without 'Shell-Setup' in the pass 'oobeSystem' Windows shows its wizard")
