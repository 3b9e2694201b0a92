"""Throw-away overlays: what is only looked at gets one of ours, whose header says the format of what is below it.

libguestfs makes an overlay of its own for a disk that is read-only, and may guess the format below it anew
(lib/drives.c of 1.48): a header that a guest wrote to its raw disk would be followed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imgpipe.adapters import held_disk, qemu_img
from imgpipe.adapters.temporary import temporary_folder
from imgpipe.disk_source import CheckedDisk, held


@contextmanager
def scratch(disk: Path | CheckedDisk) -> Iterator[Path]:
    """Yield a qcow2 that holds what `disk` holds, our own qcow2 or a checked disk, and takes whatever is written."""
    with temporary_folder() as folder:
        overlay = folder / "scratch.qcow2"
        if isinstance(disk, Path):
            qemu_img.create_overlay(overlay, disk)
            yield overlay
            return
        with held(disk.layers) as files, held_disk.overlay_of(files, overlay):
            yield overlay
