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
from .programs import SYSROOT, CommandError, run

_GPT_TYPES = {
    "biosboot": "21686148-6449-6E6F-744E-656564454649",
    "efi": "C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
    "lvmpv": "E6D6D379-F507-44C2-A23C-238F2A3DF928",
    "swap": "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F",
}
_MSDOS_TYPES = {"biosboot": "da", "efi": "ef", "lvmpv": "8e", "swap": "82"}
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


def mount(storage: Storage) -> None:
    """Mount the target's file systems, outer ones first, and what a program inside it needs."""
    mounted = sorted(
        (volume for volume in storage.volumes if volume.wish.mountpoint.startswith("/")),
        key=lambda volume: volume.wish.mountpoint.rstrip("/").count("/"),
    )
    for volume in mounted:
        place = SYSROOT / volume.wish.mountpoint.lstrip("/")
        place.mkdir(parents=True, exist_ok=True)
        run("mount", volume.device, place)
    for folder in ("dev", "dev/pts", "proc", "sys", "run"):
        (SYSROOT / folder).mkdir(parents=True, exist_ok=True)
        run("mount", "--rbind" if folder == "sys" else "--bind", f"/{folder}", SYSROOT / folder)
    other = Path("/mnt/sysroot")
    if not other.exists():
        other.symlink_to(SYSROOT)


def unmount(storage: Storage) -> None:
    """Unmount the target, so that every file system is clean."""
    try:
        run("umount", "--recursive", SYSROOT)
        if any(volume.wish.group for volume in storage.volumes):
            run("vgchange", "--activate", "n")
    except CommandError:
        # A script may have left something running; syncing is then the best there is.
        run("sync")


def write_fstab(storage: Storage) -> None:
    """Write /etc/fstab, by UUID as Anaconda does, logical volumes by their name."""
    lines = ["# Made by the imgpipe stand-in's installer."]
    for volume in storage.volumes:
        wish = volume.wish
        if not wish.mountpoint.startswith("/") and wish.fstype != "swap":
            continue
        source = volume.device if wish.group else f"UUID={uuid_of(volume.device)}"
        fstype = "vfat" if wish.fstype == "efi" else wish.fstype
        options = wish.mount_options or ("umask=0077,shortname=winnt" if wish.fstype == "efi" else "defaults")
        check = 0 if fstype in {"xfs", "swap"} else 1 if wish.mountpoint == "/" else 2
        mountpoint = "none" if wish.fstype == "swap" else wish.mountpoint
        lines.append(f"{source} {mountpoint} {fstype} {options} 0 {check}")
    (SYSROOT / "etc/fstab").write_text("\n".join(lines) + "\n")


def uuid_of(device: str) -> str:
    """Return the UUID of the file system or swap on a device."""
    return run("blkid", "--probe", "--match-tag", "UUID", "--output", "value", device).strip()


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
    devices = {}
    types = _GPT_TYPES if scheme.label == "gpt" else _MSDOS_TYPES
    default = "0FC63DAF-8483-4772-8E79-3D69D8477DE4" if scheme.label == "gpt" else "83"
    for disk in dict.fromkeys(part.disk for part in scheme.partitions):
        console.say(f"Creating disklabel on /dev/{disk}")
        for old in Path("/sys/class/block", disk).glob(f"{disk}*/partition"):
            run("wipefs", "--all", "--quiet", f"/dev/{old.parent.name}")
        run("wipefs", "--all", "--quiet", f"/dev/{disk}")
        members = [part for part in scheme.partitions if part.disk == disk]
        script = [f"label: {'dos' if scheme.label == 'msdos' else scheme.label}"]
        logical = [part for part in members if scheme.label == "msdos" and part.number > 4]
        if logical:
            end = logical[-1].start + logical[-1].size
            script.append(
                f"4: start={_sectors(logical[0].start - 1)}, size={_sectors(end - logical[0].start + 1)}, type=5"
            )
        for part in members:
            kind = types.get(part.wish.fstype, default)
            active = ", bootable" if scheme.label == "msdos" and part.wish.mountpoint in {"/boot"} else ""
            script.append(
                f"{part.number}: start={_sectors(part.start)}, size={_sectors(part.size)}, type={kind}{active}"
            )
        run(
            "sfdisk",
            "--quiet",
            "--wipe",
            "always",
            "--wipe-partitions",
            "always",
            f"/dev/{disk}",
            stdin="\n".join(script),
        )
        separator = "p" if disk[-1].isdigit() else ""
        devices |= {(disk, part.number): f"/dev/{disk}{separator}{part.number}" for part in members}
    run("udevadm", "settle", "--timeout=30")
    return devices


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
