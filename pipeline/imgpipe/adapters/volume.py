"""Disks of systems other than Linux, offline: the system's own file system, in a worker and appliance of its own.

Nothing of such a system is inspected by libguestfs: the plugin says what its file system holds, and that is looked for.
"""

from __future__ import annotations

import base64
import dataclasses
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from imgpipe.adapters.guest import EDIT_S, OPEN_S, Guest, Inspection, opened_file, start_worker
from imgpipe.adapters.guest_process import GuestProcess
from imgpipe.domain_spec import Accelerator
from imgpipe.self_sealing import MOST_READ, DiskFacts, RegistryValue, SystemVolume

MOST_LOG = 2**18
"""Bytes of the end of one log."""
_READ_S = 120


class VolumeGuest(Guest):
    """A disk in an appliance: first its logs or its facts are read, then it may be edited as any guest."""

    def __init__(self, worker: GuestProcess) -> None:
        super().__init__(worker, _NOT_INSPECTED)

    def mount(self, volume: SystemVolume) -> tuple[str, ...]:
        """Mount for reading; return why the file system must not be written to, by its own marks and by a try.

        Raises GuestError where not exactly one file system holds what it should.
        """
        told = self._worker.ask("mount", EDIT_S, filesystem=volume.filesystem, holds=list(volume.holds))
        return tuple(map(str, told))

    def facts(self, files: Sequence[str], registry: Sequence[RegistryValue], unclean: tuple[str, ...]) -> DiskFacts:
        """Read whole small files, and values of the registry, of what is mounted."""
        told = self._worker.ask("values", EDIT_S, wanted=[dataclasses.asdict(value) for value in registry])
        values = [None if value is None else str(value) for value in told]
        return DiskFacts(
            files={path: self.read(path, MOST_READ) for path in files},
            registry=dict(zip(registry, values, strict=True)),
            unclean=unclean,
        )

    def mount_writable(self) -> None:
        """Let what is mounted be edited from now on; raises GuestError where it was not closed as it should be."""
        self._worker.ask("mount_writable", EDIT_S)

    def logs(self, volume: SystemVolume, patterns: Sequence[str], dumps: Sequence[str] = ()) -> dict[str, bytes]:
        """Return the ends of what matches, and the first KiB of dumps; nothing is mounted afterwards.

        Every file system of the kind is looked at.
        """
        told = self._worker.ask(
            "logs",
            EDIT_S,
            filesystem=volume.filesystem,
            patterns=list(patterns),
            limit=MOST_LOG,
            dumps=list(dumps),
        )
        return {str(path): base64.b64decode(content) for path, content in told.items()}


@contextmanager
def open_volume_disk(
    path: Path, *, accelerator: Accelerator, read_only: bool = False, log: Path | None = None
) -> Iterator[VolumeGuest]:
    """Launch one appliance with a qcow2 disk, nothing mounted; unmount and power off at the end of the block.

    Raises HostError if the appliance cannot start, or cannot read the file system. When the block raises, the
    appliance is killed and the disk is as good as unplugged.
    """
    with start_worker(log, "volume") as worker, opened_file(path, read_only=read_only) as disk:
        worker.ask(
            "launch",
            OPEN_S,
            path=os.fspath(disk.resolve()),
            disk_format="qcow2",
            force_tcg=accelerator == "tcg",
            read_only=read_only,
        )
        yield VolumeGuest(worker)
        worker.ask("close", EDIT_S)


_NOT_INSPECTED = Inspection(
    kind="", product="", distro="", version="", arch="", package_format="", hostname="", mountpoints=()
)
