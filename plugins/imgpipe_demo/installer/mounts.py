"""The target's file systems: mounted for the installation, and named in its fstab."""

from __future__ import annotations

from pathlib import Path

from .programs import SYSROOT, CommandError, run
from .storage import Storage


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
