"""The disk as the answer file wants it: decided as text for sfdisk(8), then carried out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from imgpipe_demo.installer.programs import run

from .answers import AnswerError, Create, Modify

DISK = Path("/dev/vda")
DISK_ID = "0x1a2b3c4d"
_ALIGNMENT = 2048
_GPT = {
    "efi": "C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
    "msr": "E3C9E316-0B5C-4DB8-817D-F92DF00215AE",
    "primary": "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7",
}
_MBR = {"primary": "7"}


def partition(number: int) -> Path:
    """Return the device of a partition."""
    return DISK.with_name(f"{DISK.name}{number}")


def sfdisk_script(creates: Sequence[Create], modifies: Sequence[Modify], *, uefi: bool) -> str:
    """Return what makes sfdisk write the partitions; raises AnswerError for what Setup refuses.

    Setup wants GPT where it was started by UEFI, and MBR with one active partition where by BIOS.
    """
    types, after = (_GPT if uefi else _MBR), {modify.number: modify for modify in modifies}
    _check(creates, after, uefi=uefi)
    lines = ["label: gpt"] if uefi else ["label: dos", f"label-id: {DISK_ID}"]
    start = _ALIGNMENT
    for number, create in enumerate(creates, start=1):
        modify = after.get(number, Modify(number=number))
        size = f"size={create.size * _ALIGNMENT}, " if create.size else ""
        kind = _type_id(modify.type_id) or types[create.kind]
        active = ", bootable" if modify.active and not uefi else ""
        lines.append(f"{number}: start={start}, {size}type={kind}{active}")
        start += (create.size or 0) * _ALIGNMENT
    return "\n".join(lines) + "\n"


def make(creates: Sequence[Create], modifies: Sequence[Modify], *, uefi: bool) -> None:
    """Write the partitions and their file systems."""
    run("sfdisk", "--quiet", "--wipe", "always", DISK, stdin=sfdisk_script(creates, modifies, uefi=uefi))
    for modify in modifies:
        place, label = partition(modify.number), modify.label
        if modify.format == "ntfs":
            run("mkntfs", "--quick", "--quiet", *(("--label", label) if label else ()), place)
        elif modify.format == "fat32":
            run("mkfs.fat", "-F", "32", *(("-n", label.upper()[:11]) if label else ()), place)


def system_partition(creates: Sequence[Create], modifies: Sequence[Modify], *, uefi: bool) -> int:
    """Return the number of the partition that the machine is started from."""
    if uefi:
        return next(number for number, create in enumerate(creates, start=1) if create.kind == "efi")
    return next(modify.number for modify in modifies if modify.active)


def _check(creates: Sequence[Create], after: dict[int, Modify], *, uefi: bool) -> None:
    if not creates:
        raise AnswerError("The answer file does not say how to partition disk 0.")
    kinds = [create.kind for create in creates]
    unknown = set(kinds) - set(_GPT if uefi else _MBR)
    if unknown:
        raise AnswerError(f"Partitions of the type '{sorted(unknown)[0]}' cannot be made on this disk.")
    if any(create.size is None for create in creates[:-1]):
        raise AnswerError("Only the last partition may extend.")
    if not set(after) <= set(range(1, len(creates) + 1)):
        raise AnswerError("A partition is to be modified that does not exist.")
    if uefi and "efi" not in kinds:
        raise AnswerError("Windows cannot be installed to this disk: on EFI systems it needs an EFI partition.")
    if not uefi and sum(modify.active for modify in after.values()) != 1:
        raise AnswerError("Exactly one partition must be active.")


def _type_id(text: str) -> str:
    # On an MBR disk the setting is a byte such as 0x27, on GPT a GUID.
    if text and not re.fullmatch(r"(0x)?[0-9A-Fa-f]{1,2}|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", text):
        raise AnswerError(f"The setting 'TypeID' is '{text}', which is no type of partitions.")
    return text.removeprefix("0x")
