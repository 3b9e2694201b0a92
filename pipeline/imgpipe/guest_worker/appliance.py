"""Launching one appliance: what holds for one disk and for many."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

import guestfs

from imgpipe.guest_worker.text import printable

MOST_LOG = 2**24
# Enterprise Linux patches libguestfs so that it opens NTFS for programs of a name like this alone ("RHEL: Reject use of
# libguestfs-winsupport features except for virt-* tools"); others are told that the file system is unsupported.
PROGRAM = "virt-imgpipe"
MEMORY_MIB = 1024


class Drive(NamedTuple):
    """A disk to plug in. `cache` is libguestfs' word: 'unsafe' ignores flushes, 'writeback' obeys them."""

    path: str
    disk_format: str
    cache: str = "unsafe"
    discard: bool = False


class ApplianceLog:
    """What the appliance says, on stderr, bounded: a guest may make its kernel talk without end."""

    def __init__(self) -> None:
        self.written = 0

    def __call__(self, *event: object) -> None:
        """Write one of libguestfs' events."""
        if self.written < MOST_LOG:
            line = printable(str(event[2]))
            self.written += len(line)
            sys.stderr.write(line + "\n")


def launch(g: Any, drives: list[Drive], force_tcg: bool) -> None:  # noqa: ANN401 (libguestfs has no types)
    """Launch the appliance with the drives, without a network."""
    g.set_program(PROGRAM)
    g.set_event_callback(ApplianceLog(), guestfs.EVENT_APPLIANCE | guestfs.EVENT_WARNING)
    g.set_backend("direct")
    if force_tcg:
        g.set_backend_setting("force_tcg", "1")
    g.set_memsize(MEMORY_MIB)
    g.set_network(False)
    for drive in drives:
        # Never read-only: below the overlay that libguestfs would make, it guesses the format (see adapters/scratch).
        options = {"discard": "besteffort"} if drive.discard else {}
        g.add_drive_opts(drive.path, format=drive.disk_format, cachemode=drive.cache, **options)
    g.launch()


def try_launch(path: str, force_tcg: bool) -> dict[str, Any]:
    """Launch with an empty raw disk; return the appliance's kernel and which file systems it can mount."""
    g = guestfs.GuestFS(python_return_dict=True)
    try:
        launch(g, [Drive(path=path, disk_format="raw")], force_tcg)
        known = {name: bool(g.filesystem_available(name)) for name in ("xfs", "ext4", "btrfs")}
        release = str(g.utsname()["uts_release"])
        g.shutdown()
    finally:
        g.close()
    return {"kernel": release, "filesystems": known}
