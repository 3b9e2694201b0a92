"""The disk, as curtin's storage actions.

Formats: curtin's doc/topics/storage.rst and, for sizes of -1, subiquity's autoinstall reference. The actions say
everything themselves, because subiquity's own layouts leave half the disk unused and make a swap file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from imgpipe.errors import RecipeError
from imgpipe.recipe import Recipe
from imgpipe.sizes import GIB, MIB, exact_bytes, show_bytes
from imgpipe_ubuntu.systems import Release

LEAST_ROOT = 6 * GIB
"""What the server's image and one more kernel need, with room to work, in bytes."""

_ESP = 512 * MIB
_EXTENT = 4 * MIB
# The two copies of the GPT, the gap before the first partition and LVM's own metadata.
_OVERHEAD = 8 * MIB

Action = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Curtin's actions, and the same in lines for people."""

    config: tuple[Action, ...]
    lines: tuple[str, ...]


def layout_disk(recipe: Recipe, release: Release, device: str) -> Layout:
    """Return the layout of `device`; with 'plain', / is the last partition, so that it can grow.

    Raises RecipeError where / would get less than LEAST_ROOT.
    """
    uefi = recipe.machine.firmware == "uefi"
    first = _ESP if uefi else MIB
    boot = _aligned(recipe.disk.boot, MIB)
    swap = _aligned(recipe.disk.swap, _EXTENT if recipe.disk.layout == "lvm" else MIB)
    root = recipe.machine.disk - first - boot - swap - _OVERHEAD
    if root < LEAST_ROOT:
        raise RecipeError(
            f"A disk of {exact_bytes(recipe.machine.disk)} leaves {show_bytes(max(root, 0))} for /, and Ubuntu Server "
            f"needs {show_bytes(LEAST_ROOT)}.",
            hint="Raise 'machine.disk', or lower 'disk.swap' and 'disk.boot'.",
        )
    actions = [_disk(device, grub=not uefi), *(_esp() if uefi else [_bios_boot()])]
    # GRUB of these releases cannot read every XFS that their own mkfs.xfs makes, so /boot is ext4.
    actions += [_partition("boot", boot), *_file_system("boot", "ext4", "/boot")]
    actions += _lvm(recipe, release, swap) if recipe.disk.layout == "lvm" else _plain(recipe, release, swap)
    return Layout(config=tuple(actions), lines=_lines(recipe, first, (boot, swap, root)))


def _aligned(size: int, unit: int) -> int:
    return -(-size // unit) * unit


def _disk(device: str, *, grub: bool) -> Action:
    return {
        "type": "disk",
        "id": "disk",
        "path": device,
        "ptable": "gpt",
        "wipe": "superblock-recursive",
        "preserve": False,
        "grub_device": grub,
    }


def _partition(name: str, size: int, **more: object) -> Action:
    return {
        "type": "partition",
        "id": name,
        "device": "disk",
        "size": size,
        "wipe": "superblock",
        "preserve": False,
        **more,
    }


def _bios_boot() -> Action:
    return _partition("bios", MIB, flag="bios_grub")


def _esp() -> list[Action]:
    return [_partition("esp", _ESP, flag="boot", grub_device=True), *_file_system("esp", "fat32", "/boot/efi")]


def _file_system(volume: str, kind: str, path: str, options: tuple[str, ...] = ()) -> list[Action]:
    made: Action = {"type": "format", "id": f"{volume}-fs", "volume": volume, "fstype": kind, "preserve": False}
    if options:
        made["extra_options"] = list(options)
    return [made, {"type": "mount", "id": f"{volume}-mount", "device": f"{volume}-fs", "path": path}]


def _root_file_system(recipe: Recipe, release: Release) -> list[Action]:
    kind = recipe.disk.filesystem or "ext4"
    return _file_system("root", kind, "/", release.xfs_options if kind == "xfs" else ())


def _plain(recipe: Recipe, release: Release, swap: int) -> list[Action]:
    actions = [_partition("swap", swap), *_file_system("swap", "swap", "")] if swap else []
    return [*actions, _partition("root", -1), *_root_file_system(recipe, release)]


def _lvm(recipe: Recipe, release: Release, swap: int) -> list[Action]:
    group: Action = {
        "type": "lvm_volgroup",
        "id": "group",
        "name": recipe.disk.volume_group,
        "devices": ["pv"],
        "preserve": False,
    }
    actions = [_partition("pv", -1), group]
    if swap:
        actions += [_logical_volume("swap", swap), *_file_system("swap", "swap", "")]
    return [*actions, _logical_volume("root", -1), *_root_file_system(recipe, release)]


def _logical_volume(name: str, size: int) -> Action:
    return {
        "type": "lvm_partition",
        "id": name,
        "name": name,
        "volgroup": "group",
        "size": size,
        "wipe": "superblock",
        "preserve": False,
    }


def _lines(recipe: Recipe, first: int, sizes: tuple[int, int, int]) -> tuple[str, ...]:
    boot, swap, root = (show_bytes(size) for size in sizes)
    inside = f"{recipe.disk.volume_group}/" if recipe.disk.layout == "lvm" else ""
    lines = ["/boot/efi  fat32  " if recipe.machine.firmware == "uefi" else "(GRUB)  bios_grub  "]
    lines[0] += show_bytes(first)
    lines.append(f"/boot  ext4  {boot}")
    if recipe.disk.swap:
        lines.append(f"swap  {inside}swap  {swap}")
    lines.append(f"/  {inside}{recipe.disk.filesystem or 'ext4'}  {root}, the rest of the disk")
    return tuple(lines)
