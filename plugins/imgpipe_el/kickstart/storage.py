"""The disk: partitions and volumes as kickstart commands, and as words for people."""

from __future__ import annotations

from collections.abc import Iterator

from imgpipe.errors import RecipeError
from imgpipe.os_family import Hardware
from imgpipe.recipe import Recipe
from imgpipe.sizes import MIB, exact_bytes, show_bytes
from imgpipe_el.kickstart.quoting import option, word
from imgpipe_el.options import ElOptions
from imgpipe_el.release import Release

_BIOSBOOT_MIB = 2
_EFI_MIB = 200
_ROOT_MIB = 2048
"""The least that / gets; it takes all that is left."""


def disk_name(hardware: Hardware) -> str:
    """Return the kernel's name of the only disk on the hardware's bus."""
    return "vda" if hardware.disk_bus == "virtio" else "sda"


def storage_lines(recipe: Recipe, release: Release, options: ElOptions, disk: str) -> Iterator[str]:
    """Yield the commands that wipe the disk and lay it out; raises RecipeError where it is too small.

    The label is always GPT and always written out: Anaconda's own choice differs between releases.
    """
    _check_size(recipe)
    yield "zerombr"
    yield f"ignoredisk {option('only-use', disk)}"
    yield f"clearpart --all --initlabel --disklabel=gpt {option('drives', disk)}"
    yield _boot_partition(recipe.machine.firmware, disk)
    filesystem = recipe.disk.filesystem or release.filesystem
    made = " ".join((option("fstype", filesystem), *_portability(filesystem, release, options)))
    yield f"part /boot {made} --size={_mib(recipe.disk.boot)} {option('ondisk', disk)}"
    if recipe.disk.layout == "lvm":
        yield from _volumes(recipe, made, disk)
    else:
        yield from _partitions(recipe, made, disk)


def disk_layout(recipe: Recipe, release: Release) -> tuple[str, ...]:
    """Return the layout in words, in the order in which it lies on the disk."""
    filesystem = recipe.disk.filesystem or release.filesystem
    swap = (f"swap {show_bytes(recipe.disk.swap)}",) if recipe.disk.swap else ()
    bios = recipe.machine.firmware == "bios"
    first = f"biosboot {_BIOSBOOT_MIB} MiB" if bios else f"/boot/efi {_EFI_MIB} MiB"
    boot = f"/boot {filesystem} {show_bytes(recipe.disk.boot)}"
    if recipe.disk.layout == "lvm":
        group = recipe.disk.volume_group
        return (first, boot, *swap, f"volume group {group}: / {filesystem}, all the rest")
    return (first, boot, *swap, f"/ {filesystem}, all the rest")


def _boot_partition(firmware: str, disk: str) -> str:
    if firmware == "bios":
        return f"part biosboot --fstype=biosboot --size={_BIOSBOOT_MIB} {option('ondisk', disk)}"
    return f"part /boot/efi --fstype=efi --size={_EFI_MIB} {option('ondisk', disk)}"


def _partitions(recipe: Recipe, made: str, disk: str) -> Iterator[str]:
    if recipe.disk.swap:
        yield f"part swap --fstype=swap --size={_mib(recipe.disk.swap)} {option('ondisk', disk)}"
    # Anaconda puts what grows behind what does not, so / is the last partition and can be grown in a clone.
    yield f"part / {made} --size={_ROOT_MIB} --grow {option('ondisk', disk)}"


def _volumes(recipe: Recipe, made: str, disk: str) -> Iterator[str]:
    group = word(recipe.disk.volume_group)
    if recipe.disk.swap:
        yield f"part swap --fstype=swap --size={_mib(recipe.disk.swap)} {option('ondisk', disk)}"
    yield f"part pv.01 --fstype=lvmpv --size={_ROOT_MIB} --grow {option('ondisk', disk)}"
    yield f"volgroup {group} pv.01"
    yield f"logvol / {option('vgname', recipe.disk.volume_group)} --name=root {made} --percent=100"


def _portability(filesystem: str, release: Release, options: ElOptions) -> Iterator[str]:
    if filesystem == "xfs" and release.large_extent_counters and options.portable_xfs:
        yield option("mkfsoptions", "-i nrext64=0")


def _check_size(recipe: Recipe) -> None:
    disk = recipe.disk
    needed = disk.boot + disk.swap + (_ROOT_MIB + _EFI_MIB) * MIB
    if recipe.machine.disk < needed:
        raise RecipeError(
            f"The disk of {exact_bytes(recipe.machine.disk)} is too small for the layout of '{recipe.name}'.",
            hint=f"Give 'machine.disk' at least {show_bytes(needed)}, or take less for 'disk.boot' and 'disk.swap'.",
        )


def _mib(count: int) -> int:
    return -(-count // MIB)
