"""partman's recipe for a disk: what lies on it, in which order.

Format: doc/devel/partman-auto-recipe.txt of the installer's source. Its unit is the decimal megabyte, and
three numbers are the least size, the priority and the greatest size.
"""

from __future__ import annotations

import math

from imgpipe_debian.settings import Disk

_GREEDY = "1024 10000 -1"


def recipe(disk: Disk) -> str:
    """Return the recipe in one line: / is the last partition, so that a clone's disk can grow."""
    lvm = "$lvmok{ } " if disk.layout == "lvm" else ""
    parts = [_boot_loader(disk), _file_system(_fixed(disk.boot_mib), "/boot", disk)]
    if disk.swap_mib:
        parts.append(f"{_fixed(disk.swap_mib)} linux-swap {_named(disk, 'swap')}{lvm}method{{ swap }} format{{ }}")
    parts.append(_file_system(_GREEDY, "/", disk, prefix=_named(disk, "root") + lvm))
    return "imgpipe :: " + " ".join(f"{part} ." for part in parts)


def _boot_loader(disk: Disk) -> str:
    # GRUB has no room before the first partition of a GPT: it needs one of its own on BIOS machines.
    if disk.firmware == "bios":
        return "2 2 2 free $iflabel{ gpt } $reusemethod{ } method{ biosgrub }"
    return f"{_fixed(512)} free $iflabel{{ gpt }} $reusemethod{{ }} method{{ efi }} format{{ }}"


def _file_system(sizes: str, mount: str, disk: Disk, prefix: str = "") -> str:
    kind = disk.filesystem
    return (
        f"{sizes} {kind} {prefix}method{{ format }} format{{ }} use_filesystem{{ }} "
        f"filesystem{{ {kind} }} mountpoint{{ {mount} }}"
    )


def _named(disk: Disk, volume: str) -> str:
    return f"lv_name{{ {volume} }} " if disk.layout == "lvm" else ""


def _fixed(mib: int) -> str:
    size = math.ceil(mib * 2**20 / 10**6)
    return f"{size} {size} {size}"
