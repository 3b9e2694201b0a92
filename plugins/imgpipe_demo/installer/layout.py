"""Where everything goes on the disks: computed from what the kickstart asks, without touching a disk.

Sizes are MiB, as in a kickstart; volume group extents are 4 MiB, LVM's own default.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

EXTENT = 4
# Before the first partition (and GRUB on msdos), and behind the last one (GPT's second table).
_HEAD = _TAIL = 1
_PRIMARIES = 4


class LayoutError(Exception):
    """What is asked for does not fit, or cannot be booted; the text is Anaconda's."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """One partition or logical volume as the kickstart asks for it; `percent` is of what a group has left."""

    mountpoint: str
    fstype: str
    size: int = 0
    grow: bool = False
    max_size: int = 0
    percent: int = 0
    disk: str = ""
    name: str = ""
    group: str = ""
    label: str = ""
    mkfs_options: str = ""
    mount_options: str = ""


@dataclass(frozen=True, kw_only=True)
class Group:
    """A volume group and the physical volumes (`pv.01`) it is made of."""

    name: str
    volumes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Partition:
    """A partition with its place; number 5 and up are logical ones of an msdos label."""

    wish: Wish
    disk: str
    number: int
    start: int
    size: int


def place_partitions(wishes: Sequence[Wish], disks: dict[str, int], label: str) -> tuple[Partition, ...]:
    """Give every wish a disk, a start and a size; what grows shares what is left.

    `disks` are the sizes of the usable disks; a wish that names none goes to the first with room.
    """
    if not disks:
        raise LayoutError("No usable disks were found.")
    chosen: dict[str, list[Wish]] = {disk: [] for disk in disks}
    for wish in sorted(wishes, key=_order):
        chosen[_choose_disk(wish, disks, chosen)].append(wish)
    return tuple(
        partition for disk, members in chosen.items() for partition in _place_on(disk, disks[disk], members, label)
    )


def size_volumes(wishes: Sequence[Wish], extents: int, group: str) -> tuple[tuple[Wish, int], ...]:
    """Return every logical volume with its size in extents of a group that has so many."""
    fixed = [-(-wish.size // EXTENT) for wish in wishes]
    left = extents - sum(fixed)
    if left < 0:
        raise LayoutError(f'not enough free space in volume group "{group}": {-left * EXTENT} MiB more are needed')
    shares = [wish.percent * left // 100 for wish in wishes]
    growing = tuple(replace(wish, size=size * EXTENT) for wish, size in zip(wishes, fixed, strict=True))
    rest = (left - sum(shares)) * EXTENT
    grown = [size // EXTENT for size in _grow(growing, rest)]
    sizes = [size + share for size, share in zip(grown, shares, strict=True)]
    if not all(sizes):
        raise LayoutError(f'not enough free space in volume group "{group}"')
    return tuple(zip(wishes, sizes, strict=True))


def check_bootable(wishes: Sequence[Wish], label: str, *, uefi: bool) -> None:
    """Refuse what Anaconda refuses because the firmware could not start it."""
    fstypes = {wish.fstype for wish in wishes}
    mountpoints = {wish.mountpoint for wish in wishes}
    if "/" not in mountpoints:
        raise LayoutError(
            "You have not defined a root partition (/), which is required for installation of "
            "imgpipe stand-in to continue."
        )
    if uefi and "/boot/efi" not in mountpoints:
        raise LayoutError(
            "For a UEFI installation, you must include an EFI System Partition on a GPT-formatted disk, "
            "mounted at /boot/efi."
        )
    if not uefi and label == "gpt" and "biosboot" not in fstypes:
        raise LayoutError(
            "Your BIOS-based system needs a special partition to boot from a GPT disk label. "
            "To continue, please create a 1MiB 'biosboot' type partition."
        )


def _order(wish: Wish) -> tuple[int, bool]:
    early = {"biosboot": 0, "efi": 1}
    weight = 2 if wish.mountpoint == "/boot" else 3
    return early.get(wish.fstype, weight), wish.grow


def _choose_disk(wish: Wish, disks: dict[str, int], chosen: dict[str, list[Wish]]) -> str:
    if wish.disk:
        if wish.disk not in disks:
            raise LayoutError(f'Disk "{wish.disk}" given in part command does not exist.')
        return wish.disk
    for disk, size in disks.items():
        if sum(member.size for member in chosen[disk]) + wish.size + _HEAD + _TAIL <= size:
            return disk
    return next(iter(disks))


def _place_on(disk: str, size: int, wishes: Sequence[Wish], label: str) -> list[Partition]:
    numbers = _numbers(len(wishes), label)
    # Every logical partition is preceded by a table of its own.
    gaps = sum(1 for number in numbers if number > _PRIMARIES)
    room = size - _HEAD - _TAIL - gaps - sum(wish.size for wish in wishes)
    if room < 0:
        raise LayoutError(
            "Unable to allocate requested partition scheme.\n"
            f"Not enough space in file systems for the current software selection. "
            f"An additional {-room} MiB is needed."
        )
    placed, start = [], _HEAD
    for wish, number, length in zip(wishes, numbers, _grow(wishes, room), strict=True):
        start += 1 if number > _PRIMARIES else 0
        placed.append(Partition(wish=wish, disk=disk, number=number, start=start, size=length))
        start += length
    return placed


def _numbers(count: int, label: str) -> range | tuple[int, ...]:
    if label == "gpt" or count <= _PRIMARIES:
        return range(1, count + 1)
    return (1, 2, 3, *range(_PRIMARIES + 1, count + 2))


def _grow(wishes: Sequence[Wish], room: int) -> list[int]:
    """Share room among what grows, in proportion to the sizes asked for, none beyond its own maximum."""
    sizes = [wish.size for wish in wishes]
    limits = [(wish.max_size or wish.size + room) if wish.grow else wish.size for wish in wishes]
    while room > 0 and (open_ := [i for i in range(len(sizes)) if sizes[i] < limits[i]]):
        weight = sum(max(wishes[i].size, 1) for i in open_)
        given = 0
        for i in open_:
            share = min(max(room * max(wishes[i].size, 1) // weight, 1), limits[i] - sizes[i], room - given)
            sizes[i] += share
            given += share
        room -= given
    return sizes
