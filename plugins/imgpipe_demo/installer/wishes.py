"""What the kickstart asks of the disks, as values that `layout` can compute with."""

from __future__ import annotations

from .answers import Kickstart
from .layout import Group, LayoutError, Wish

_UNSUPPORTED = ("raid", "btrfs")
_EFI = Wish(mountpoint="/boot/efi", fstype="efi", size=600)
_BIOS = Wish(mountpoint="biosboot", fstype="biosboot", size=1)
_BOOT = Wish(mountpoint="/boot", fstype="xfs", size=1024)
_PLAIN = 0


def disk_label(kickstart: Kickstart, *, uefi: bool) -> str:
    """Return the kind of partition table: as asked, else what EL 9 takes for the firmware."""
    return str(kickstart.clearpart.disklabel or ("gpt" if uefi else "msdos"))


def usable_disks(kickstart: Kickstart, disks: dict[str, int]) -> dict[str, int]:
    """Return the disks that the kickstart lets the installer use, with their sizes."""
    only = [_name(disk) for disk in kickstart.ignoredisk.onlyuse]
    for disk in only:
        if disk not in disks:
            raise LayoutError(f'Disk "{disk}" given in ignoredisk command does not exist.')
    ignored = {_name(disk) for disk in kickstart.ignoredisk.ignoredisk}
    return {disk: size for disk, size in disks.items() if (disk in only or not only) and disk not in ignored}


def partitions(kickstart: Kickstart, label: str, *, uefi: bool) -> tuple[Wish, ...]:
    """Return the partitions asked for by `part`, `reqpart` and `autopart`."""
    for command in _UNSUPPORTED:
        if getattr(kickstart, command).seen:
            raise LayoutError(f"The stand-in's installer does not know the command '{command}'.")
    needed: list[Wish] = []
    auto = kickstart.autopart.autopart
    if kickstart.reqpart.reqpart or auto:
        needed += [_EFI] if uefi else [_BIOS] if label == "gpt" else []
    if kickstart.reqpart.addBoot or auto:
        needed.append(_BOOT)
    if auto:
        needed += _automatic(kickstart)
    return (*needed, *(_partition(data) for data in kickstart.partition.partitions))


def groups(kickstart: Kickstart) -> tuple[Group, ...]:
    """Return the volume groups asked for."""
    asked = [Group(name=data.vgname, volumes=tuple(data.physvols)) for data in kickstart.volgroup.vgList]
    if kickstart.autopart.autopart and kickstart.autopart.type != _PLAIN:
        asked.append(Group(name="vg0", volumes=("pv.auto",)))
    return tuple(asked)


def volumes(kickstart: Kickstart) -> tuple[Wish, ...]:
    """Return the logical volumes asked for."""
    asked = [_volume(data) for data in kickstart.logvol.lvList]
    if kickstart.autopart.autopart and kickstart.autopart.type != _PLAIN:
        root = Wish(mountpoint="/", fstype="xfs", size=1024, grow=True, name="root", group="vg0")
        swap = Wish(mountpoint="swap", fstype="swap", size=1024, name="swap", group="vg0")
        asked += [root] if kickstart.autopart.noswap else [swap, root]
    return tuple(asked)


def _automatic(kickstart: Kickstart) -> list[Wish]:
    if kickstart.autopart.type != _PLAIN:
        return [Wish(mountpoint="pv.auto", fstype="lvmpv", size=1100, grow=True)]
    root = Wish(mountpoint="/", fstype="xfs", size=1024, grow=True)
    swap = Wish(mountpoint="swap", fstype="swap", size=1024)
    return [root] if kickstart.autopart.noswap else [swap, root]


def _partition(data: Kickstart) -> Wish:
    if data.onPart or not data.format:
        raise LayoutError(
            "The stand-in's installer makes new partitions only: '--onpart' and '--noformat' are not known."
        )
    return Wish(
        mountpoint=data.mountpoint,
        fstype=_fstype(data.mountpoint, data.fstype),
        size=data.size or (2048 if data.recommended else 1),
        grow=data.grow,
        max_size=data.maxSizeMB or 0,
        disk=_name(data.disk),
        label=data.label,
        mkfs_options=data.mkfsopts,
        mount_options=data.fsopts,
    )


def _volume(data: Kickstart) -> Wish:
    return Wish(
        mountpoint=data.mountpoint,
        fstype=_fstype(data.mountpoint, data.fstype),
        size=data.size or (2048 if data.recommended else 0),
        grow=data.grow,
        max_size=data.maxSizeMB or 0,
        percent=data.percent or 0,
        name=data.name,
        group=data.vgname,
        label=data.label,
        mkfs_options=data.mkfsopts,
        mount_options=data.fsopts,
    )


def _fstype(mountpoint: str, asked: str) -> str:
    if mountpoint.startswith("pv."):
        return "lvmpv"
    if mountpoint in {"swap", "biosboot"}:
        return mountpoint
    if mountpoint == "/boot/efi" or asked == "efi":
        return "efi"
    return asked or "xfs"


def _name(disk: str) -> str:
    return disk.removeprefix("/dev/")
