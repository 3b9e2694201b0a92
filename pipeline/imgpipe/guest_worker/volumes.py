"""The one file system of a disk that holds a system, found by what the plugin says is in it, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from imgpipe.guest_worker import ntfs
from imgpipe.guest_worker.files import Files
from imgpipe.guest_worker.text import WorkerError, as_bytes

READ_ONLY = 0x0001
"""ST_RDONLY of statvfs(3)."""
HIBERNATED = (b"hibr", b"HIBR")
NO_NTFS = "libguestfs cannot read NTFS on this host."


def find(g: Any, devices: Iterable[str], filesystem: str, holds: list[str]) -> str:  # noqa: ANN401
    """Return the one device with such a file system that has every path; raises WorkerError otherwise."""
    if not g.feature_available(["ntfs3g"]):
        raise WorkerError(NO_NTFS)
    kinds = {device: str(g.vfs_type(device)) for device in devices}
    found = [device for device, kind in kinds.items() if kind == filesystem and _holds(g, device, holds)]
    if len(found) != 1:
        raise WorkerError(
            f"The disk holds {len(found)} systems of the kind that was installed.",
            (f"{device}: {kind}" for device, kind in kinds.items()),
        )
    return found[0]


def on(g: Any, disk: str) -> list[str]:  # noqa: ANN401
    """Return the partitions of one disk."""
    return [str(device) for device in g.list_partitions() if str(device).rstrip("0123456789") == disk]


def mount_for_reading(g: Any, device: str) -> None:  # noqa: ANN401
    """Mount a volume in place of what is mounted; nothing is written to it, not even its log."""
    g.umount_all()
    # By the driver's own name: the kernel's, where it has one, ignores what ntfs-3g refuses.
    g.mount_vfs("ro", "ntfs-3g", device, "/")


def mount_for_writing(g: Any, device: str) -> None:  # noqa: ANN401
    """Mount a volume in place of what is mounted; raises WorkerError if it was not closed as it should be."""
    faults = list(unclean(g, device))
    if faults:
        raise WorkerError("The file system of the system must not be written to.", faults)
    g.mount_vfs("norecover", "ntfs-3g", device, "/")
    if g.statvfs("/")["flag"] & READ_ONLY:
        g.umount_all()
        raise WorkerError("The file system of the system must not be written to.", ["ntfs-3g mounts it only to read"])


def unclean(g: Any, device: str) -> Iterator[str]:  # noqa: ANN401
    """Yield why a volume must not be written to; nothing is mounted afterwards."""
    g.umount_all()
    if ntfs.is_dirty(g, device):
        yield "NTFS is marked as dirty: Windows did not close it"
    mount_for_reading(g, device)
    files = Files(g, ignore_case=True)
    if (files.size("/hiberfil.sys") or 0) and as_bytes(g.pread(files.spelled("/hiberfil.sys"), 4, 0)) in HIBERNATED:
        yield "Windows is hibernated in 'hiberfil.sys'"
    g.umount_all()


def _holds(g: Any, device: str, paths: list[str]) -> bool:  # noqa: ANN401
    try:
        mount_for_reading(g, device)
    except RuntimeError:
        return False
    files = Files(g, ignore_case=True)
    held = all(files.exists(path) for path in paths)
    g.umount_all()
    return held
