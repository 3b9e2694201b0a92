"""One appliance with many disks of one template, which are edited one after another."""

from __future__ import annotations

from typing import Any

import guestfs

from imgpipe.guest_worker import volumes
from imgpipe.guest_worker.appliance import Drive, launch
from imgpipe.guest_worker.edits import Edits
from imgpipe.guest_worker.files import Files
from imgpipe.guest_worker.layout import BlockDevices, Layout
from imgpipe.guest_worker.mac_files import MacFiles
from imgpipe.guest_worker.text import WorkerError


class Batch:
    """An appliance whose disks never see each other: LVM is told of one at a time, and nothing else stays mounted."""

    def __init__(self) -> None:
        self.g = guestfs.GuestFS(python_return_dict=True)
        self.disks: list[str] = []
        self.layout: Layout | None = None
        self.ignore_case = False

    def open(self, paths: list[str], force_tcg: bool) -> int:
        """Launch with qcow2 disks; return how many there are."""
        # Flushes are obeyed: disks that are done must be whole even if the appliance dies of a later one.
        launch(self.g, [Drive(path=path, disk_format="qcow2", cache="writeback") for path in paths], force_tcg)
        self.disks = [str(device) for device in self.g.list_devices()]
        if len(self.disks) != len(paths):
            raise WorkerError(f"The appliance has {len(self.disks)} of {len(paths)} disks.")
        return len(paths)

    def mount(self, number: int) -> None:
        """Mount the system of disk `number`, and nothing of any other; raises what says that it cannot be found."""
        disk = self.disks[number]
        self.g.umount_all()
        # The groups of two clones have the same name and UUID: unfiltered, LVM refuses both or takes the other one.
        self.g.lvm_set_filter([disk])
        devices = BlockDevices(self.g, disk)
        if self.layout is None or not devices.fits(self.layout):
            self.layout = devices.find()
        devices.mount(self.layout)

    def mount_volume(self, number: int, filesystem: str, holds: list[str]) -> None:
        """Mount for writing the one file system of disk `number` that has every path, and nothing of any other."""
        self.g.umount_all()
        device = volumes.find(self.g, volumes.on(self.g, self.disks[number]), filesystem, holds)
        volumes.mount_for_writing(self.g, device)
        self.ignore_case = True

    def edit(self, steps: list[dict[str, Any]], claims: list[dict[str, Any]]) -> list[str]:
        """Apply the steps to the mounted system, label what is new, check the claims; return remarks on the steps.

        Whatever happens, the disk is unmounted and written out afterwards.
        """
        try:
            edits = Edits(self.g, self._files())
            edits.apply(steps)
            edits.relabel()
            faults = [fault for claim in claims for fault in self._faults(dict(claim))]
            if faults:
                raise WorkerError(f"{len(faults)} claims do not hold after the edits.", faults)
            return edits.remarks
        finally:
            self.g.umount_all()

    def close(self) -> None:
        """Power off; only then is everything on the disks."""
        self.g.shutdown()
        self.g.close()

    def _files(self) -> Files:
        return Files(self.g, ignore_case=self.ignore_case)

    def _faults(self, claim: dict[str, Any]) -> list[str]:
        files = self._files()
        kind = claim.pop("kind")
        if kind == "Absent":
            return [f"'{path}' is still there" for path in files.remains(**claim)]
        if kind == "WithoutMacs":
            held = MacFiles(self.g, files, claim["patterns"]).holding(claim["macs"])
            return [f"'{path}' holds a MAC address of the source" for path in held]
        size = files.size(claim["path"])
        return [] if size == 0 else [f"'{claim['path']}' is not an empty file"]
