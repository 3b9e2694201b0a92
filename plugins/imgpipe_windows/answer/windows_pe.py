"""The pass windowsPE: language, disk, image, and the key."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from imgpipe_windows.answer.tree import AnswerTree, item, put, under
from imgpipe_windows.answer.wishes import Wishes

# In MB. C: is last, so that it can grow into a clone's larger disk.
_PARTITIONS = {
    "bios": (("Primary", 500), ("Primary", 0)),
    "uefi": (("EFI", 260), ("MSR", 16), ("Primary", 0)),
}
_FORMATS = {
    "bios": ((1, "NTFS", "System"), (2, "NTFS", "Windows")),
    "uefi": ((1, "FAT32", "System"), (3, "NTFS", "Windows")),
}
_CHECKS = ("BypassTPMCheck", "BypassSecureBootCheck")


def add_windows_pe(tree: AnswerTree, wished: Wishes) -> None:
    """Answer what Setup asks before it copies anything; boot-critical drivers need no word here."""
    language = tree.component("windowsPE", "International-Core-WinPE")
    put(under(language, "SetupUILanguage"), UILanguage=wished.language)
    put_languages(language, wished)
    setup = tree.component("windowsPE", "Setup")
    put(under(setup, "Diagnostics"), OptIn=False)
    _add_disk(setup, wished)
    put(under(setup, "DynamicUpdate"), Enable=False, WillShowUI="OnError")
    image = under(setup, "ImageInstall", "OSImage")
    key, value = wished.image
    put(item(under(image, "InstallFrom"), "MetaData"), Key=key, Value=value)
    put(under(image, "InstallTo"), DiskID=0, PartitionID=_FORMATS[wished.firmware][-1][0])
    put(image, WillShowUI="OnError")
    if wished.release.wants_tpm and not wished.hardware_checks:
        _skip_checks(setup)
    user = under(setup, "UserData")
    put(user, AcceptEula=True, FullName="Administrator", Organization=wished.options.organization)
    if wished.key:
        put(under(user, "ProductKey"), Key=wished.key, WillShowUI="OnError")


def put_languages(component: ET.Element, wished: Wishes) -> None:
    """Write the four settings of a language that Setup and Windows share."""
    put(
        component,
        InputLocale=wished.input_locale,
        SystemLocale=wished.language,
        UILanguage=wished.language,
        UserLocale=wished.language,
    )


def partition_lines(firmware: str) -> tuple[str, ...]:
    """Describe the layout for a plan."""
    lines = []
    for kind, size in _PARTITIONS[firmware]:
        shown = {"EFI": "EFI system (FAT32)", "MSR": "Microsoft reserved", "Primary": "system (NTFS, active)"}[kind]
        lines.append(f"{shown} {size} MB" if size else "C: (NTFS) the rest, last")
    return tuple(lines)


def _add_disk(setup: ET.Element, wished: Wishes) -> None:
    configuration = under(setup, "DiskConfiguration")
    disk = item(configuration, "Disk")
    creations = under(disk, "CreatePartitions")
    for order, (kind, size) in enumerate(_PARTITIONS[wished.firmware], 1):
        creation = item(creations, "CreatePartition")
        put(creation, Order=order, Type=kind)
        put(creation, **({"Size": size} if size else {"Extend": True}))
    put(disk, DiskID=0)
    formats = under(disk, "ModifyPartitions")
    for order, (partition, format_, label) in enumerate(_FORMATS[wished.firmware], 1):
        change = item(formats, "ModifyPartition")
        if wished.firmware == "bios" and order == 1:
            put(change, Active=True)
        put(change, Format=format_, Label=label)
        if label == "Windows":
            put(change, Letter="C")
        put(change, Order=order, PartitionID=partition)
    put(disk, WillWipeDisk=True)
    put(configuration, WillShowUI="OnError")


def _skip_checks(setup: ET.Element) -> None:
    """Have Setup pass over hardware that the recipe leaves out on purpose."""
    commands = under(setup, "RunSynchronous")
    for order, check in enumerate(_CHECKS, 1):
        path = f"reg.exe add HKLM\\SYSTEM\\Setup\\LabConfig /v {check} /t REG_DWORD /d 1 /f"
        put(item(commands, "RunSynchronousCommand"), Order=order, Path=path)
