"""Carries the layout out: partitions, volume groups, file systems, mounts and fstab."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import layout, wishes
from .answers import Kickstart
from .console import Console
from .errors import InstallError
from .layout import Group, Partition, Wish
from .programs import CommandError, run

_GPT_TYPES = {
    "biosboot": "21686148-6449-6E6F-744E-656564454649",
    "efi": "C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
    "lvmpv": "E6D6D379-F507-44C2-A23C-238F2A3DF928",
    "swap": "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F",
}
_GPT_PLAIN = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
_MSDOS_TYPES = {"biosboot": "da", "efi": "ef", "lvmpv": "8e", "swap": "82"}
_MSDOS_PLAIN = "83"
_MKFS = {
    "xfs": ("mkfs.xfs", "-q", "-f"),
    "ext4": ("mkfs.ext4", "-q", "-F"),
    "ext3": ("mkfs.ext3", "-q", "-F"),
    "ext2": ("mkfs.ext2", "-q", "-F"),
    "efi": ("mkfs.vfat", "-F", "32"),
    "vfat": ("mkfs.vfat", "-F", "32"),
    "swap": ("mkswap", "-f"),
}
_LABEL_OPTIONS = {"efi": "-n", "vfat": "-n"}
_DISKS = ("vd", "sd", "nvme", "xvd")


@dataclass(frozen=True, kw_only=True)
class Volume:
    """A device that holds a file system or swap, and what the kickstart wants of it."""

    device: str
    wish: Wish


@dataclass(frozen=True, kw_only=True)
class Storage:
    """All that was made; `boot_disk` takes the boot loader."""

    label: str
    boot_disk: str
    volumes: tuple[Volume, ...]


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """Everything decided about the disks, before one is touched."""

    label: str
    partitions: tuple[Partition, ...]
    groups: tuple[Group, ...]
    volumes: tuple[Wish, ...]


def disks() -> dict[str, int]:
    """Return the disks of the machine, with their sizes in MiB."""
    found = {}
    for path in sorted(Path("/sys/class/block").iterdir()):
        if path.name.startswith(_DISKS) and not (path / "partition").exists():
            found[path.name] = int((path / "size").read_text()) // 2048
    return found


def plan_scheme(kickstart: Kickstart, *, uefi: bool) -> Scheme:
    """Decide about the disks; raises LayoutError with Anaconda's text where that cannot be done."""
    label = wishes.disk_label(kickstart, uefi=uefi)
    asked = wishes.partitions(kickstart, label, uefi=uefi)
    volumes = wishes.volumes(kickstart)
    layout.check_bootable((*asked, *volumes), label, uefi=uefi)
    usable = wishes.usable_disks(kickstart, disks())
    for disk in usable:
        _check_clearable(kickstart, disk)
    return Scheme(
        label=label,
        partitions=layout.place_partitions(asked, usable, label),
        groups=wishes.groups(kickstart),
        volumes=volumes,
    )


def make(scheme: Scheme, console: Console) -> Storage:
    """Make everything of the scheme on the disks."""
    try:
        devices = _make_partitions(scheme, console)
        volumes = [
            Volume(device=devices[part.disk, part.number], wish=part.wish)
            for part in scheme.partitions
            if part.wish.fstype in _MKFS
        ]
        for group in scheme.groups:
            members = [
                devices[part.disk, part.number] for part in scheme.partitions if part.wish.mountpoint in group.volumes
            ]
            volumes += _make_group(group, members, scheme.volumes, console)
        for volume in volumes:
            _make_filesystem(volume, console)
    except (CommandError, layout.LayoutError) as error:
        raise InstallError(f"An error occurred while activating your storage configuration.\n\n{error}") from None
    return Storage(
        label=scheme.label,
        boot_disk=f"/dev/{scheme.partitions[0].disk}",
        volumes=tuple(volumes),
    )


def _check_clearable(kickstart: Kickstart, disk: str) -> None:
    clears = kickstart.clearpart.seen and kickstart.clearpart.type not in {None, 0}
    drives = [name.removeprefix("/dev/") for name in kickstart.clearpart.drives]
    cleared = clears and (disk in drives or not drives)
    has_partitions = any(Path("/sys/class/block", disk).glob(f"{disk}*/partition"))
    if has_partitions and not cleared:
        raise layout.LayoutError(f"Not enough free space on disks: '{disk}' has partitions and is not to be cleared.")
    if not cleared and not kickstart.zerombr.zerombr:
        raise layout.LayoutError(f"Disk '{disk}' has no disk label, and neither zerombr nor clearpart is given.")


def _make_partitions(scheme: Scheme, console: Console) -> dict[tuple[str, int], str]:
    devices: dict[tuple[str, int], str] = {}
    for disk in dict.fromkeys(part.disk for part in scheme.partitions):
        console.say(f"Creating disklabel on /dev/{disk}")
        for old in Path("/sys/class/block", disk).glob(f"{disk}*/partition"):
            run("wipefs", "--all", "--quiet", f"/dev/{old.parent.name}")
        members = [part for part in scheme.partitions if part.disk == disk]
        run(
            *("sfdisk", "--quiet", "--wipe", "always", "--wipe-partitions", "always", f"/dev/{disk}"),
            stdin="\n".join(sfdisk_script(members, scheme.label)),
        )
        separator = "p" if disk[-1].isdigit() else ""
        devices |= {(disk, part.number): f"/dev/{disk}{separator}{part.number}" for part in members}
    run("udevadm", "settle", "--timeout=30")
    return devices


def sfdisk_script(members: Sequence[Partition], label: str) -> list[str]:
    """Return the lines that make sfdisk(8) write the partitions of one disk."""
    types, plain = (_GPT_TYPES, _GPT_PLAIN) if label == "gpt" else (_MSDOS_TYPES, _MSDOS_PLAIN)
    script = [f"label: {'dos' if label == 'msdos' else label}"]
    logical = [part for part in members if label == "msdos" and part.number > 4]
    if logical:
        start, end = logical[0].start - 1, logical[-1].start + logical[-1].size
        script.append(f"4: start={_sectors(start)}, size={_sectors(end - start)}, type=5")
    for part in members:
        kind = types.get(part.wish.fstype, plain)
        active = ", bootable" if label == "msdos" and part.wish.mountpoint == "/boot" else ""
        script.append(f"{part.number}: start={_sectors(part.start)}, size={_sectors(part.size)}, type={kind}{active}")
    return script


def _sectors(mib: int) -> int:
    return mib * 2048


def _make_group(group: Group, members: Sequence[str], asked: Sequence[Wish], console: Console) -> list[Volume]:
    for device in members:
        console.say(f"Creating lvmpv on {device}")
        run("pvcreate", "--yes", "--force", device)
    run("vgcreate", "--yes", group.name, *members)
    extents = int(run("vgs", "--noheadings", "--options", "vg_free_count", group.name))
    made = []
    for wish, count in layout.size_volumes([wish for wish in asked if wish.group == group.name], extents, group.name):
        run(
            "lvcreate",
            "--yes",
            "--wipesignatures",
            "y",
            "--extents",
            str(count),
            "--name",
            wish.name,
            group.name,
        )
        made.append(Volume(device=f"/dev/mapper/{_mapped(group.name)}-{_mapped(wish.name)}", wish=wish))
    run("udevadm", "settle", "--timeout=30")
    return made


def _mapped(name: str) -> str:
    # The device mapper's separator is a hyphen, so it doubles those of the names.
    return name.replace("-", "--")


def _make_filesystem(volume: Volume, console: Console) -> None:
    wish = volume.wish
    console.say(f"Creating {wish.fstype} on {volume.device}")
    label = (_LABEL_OPTIONS.get(wish.fstype, "-L"), wish.label) if wish.label else ()
    run(*_MKFS[wish.fstype], *label, *shlex.split(wish.mkfs_options or ""), volume.device)
