"""A disk whose data lies in a file below it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from imgpipe.adapters import qemu_img
from imgpipe.sizes import MIB


def overlay_of_100_mib(folder: Path) -> Path:
    """Make an overlay of 1 MiB on a disk of 100 MiB."""
    base, top = folder / "base.img", folder / "top.qcow2"
    base.write_bytes((b"\0" * 510 + b"\x55\xaa").ljust(100 * MIB, b"x"))
    qemu_img.create_overlay(top, base, backing_format="raw")
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write 1M 1M", top], check=True, capture_output=True)
    return top
