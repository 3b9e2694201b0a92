"""One appliance with one disk, of which only the file system of the system is mounted: first read, then edited."""

from __future__ import annotations

import base64
from contextlib import suppress

import guestfs

from imgpipe.guest_worker import registry, volumes
from imgpipe.guest_worker.appliance import Drive, launch
from imgpipe.guest_worker.edits import Edits
from imgpipe.guest_worker.files import MOST_BYTES, Files
from imgpipe.guest_worker.text import WorkerError

MOST_LOGS = 24
DUMP_HEADER = 1024


class Volume:
    """The appliance; a request is wrong before `launch`, and one for files before `mount`."""

    def __init__(self) -> None:
        self.g = guestfs.GuestFS(python_return_dict=True)
        self.files = Files(self.g, ignore_case=True)
        self.edits = Edits(self.g, self.files)
        self.device = ""

    def launch(self, path: str, disk_format: str, force_tcg: bool, read_only: bool) -> None:
        """Launch with the disk; nothing is mounted."""
        drive = Drive(path=path, disk_format=disk_format, discard=not read_only)
        launch(self.g, [drive], force_tcg)

    def mount(self, filesystem: str, holds: list[str]) -> list[str]:
        """Find the system's file system and mount it for reading; return why it must not be written to."""
        self.device = volumes.find(self.g, self.g.list_partitions(), filesystem, holds)
        faults: list[str] = []
        # Only an attempt shows what ntfs-3g thinks of the journal. A read-only disk has an overlay to write to.
        try:
            volumes.mount_for_writing(self.g, self.device)
        except WorkerError as error:
            faults += error.details
        except RuntimeError as error:
            faults.append(f"ntfs-3g refuses to write: {str(error).splitlines()[0]}")
        volumes.mount_for_reading(self.g, self.device)
        return faults

    def mount_writable(self) -> None:
        """Mount the file system for writing; raises what says that it was not closed as it should be."""
        volumes.mount_for_writing(self.g, self.device)

    def values(self, wanted: list[dict[str, str]]) -> list[str | None]:
        """Return values of the registry, None for what is not there."""
        return registry.read(self.g, self.files, wanted)

    def logs(self, filesystem: str, patterns: list[str], limit: int, dumps: list[str]) -> dict[str, str]:
        """Return the ends of what matches on every such file system, in base64; what cannot be read is left out.

        Of dumps it is the start.
        """
        found: dict[str, str] = {}
        for device in self.g.list_partitions():
            with suppress(RuntimeError):
                if str(self.g.vfs_type(device)) != filesystem:
                    continue
                volumes.mount_for_reading(self.g, device)
                for path in self.files.regular(patterns)[:MOST_LOGS]:
                    found.setdefault(path, base64.b64encode(self.files.ending(path, min(limit, MOST_BYTES))).decode())
                for path in self.files.regular(dumps)[:MOST_LOGS]:
                    found.setdefault(path, self.files.read(path, DUMP_HEADER) or "")
        self.g.umount_all()
        return found

    def trim(self) -> list[str]:
        """Discard free space; return where that is not possible."""
        try:
            self.g.fstrim("/")
        except RuntimeError:
            return ["/"]
        return []

    def close(self) -> None:
        """Unmount and power off; only then is everything on the disk."""
        self.g.umount_all()
        self.g.shutdown()
        self.g.close()
