import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from imgpipe.adapters import qemu_img
from sample_catalog import add_image, heard, store  # noqa: F401
from sample_images import DISK_BYTES, sample_disk


@pytest.fixture
def disk(tmp_path):
    """A sealed overlay on an installed disk, each with data of its own."""
    verified = sample_disk(tmp_path / "work" / "0123456789abcdef")
    installed = verified.sealed.folder / "installed.qcow2"
    qemu_img.create(installed, DISK_BYTES)
    write(installed, "write -P 0x11 0 8M", "write -P 0x22 20M 8M")
    qemu_img.create_overlay(verified.sealed.path, installed)
    write(verified.sealed.path, "write -P 0x33 4M 2M", "write -z 20M 4M")
    return verified


def write(path, *commands):
    words = [word for command in commands for word in ("-c", command)]
    subprocess.run(["qemu-io", "-f", "qcow2", *words, path], check=True, capture_output=True, timeout=120)
