"""Fixtures: a catalog of images, made without any program."""

import struct
from datetime import UTC, datetime
from pathlib import Path

import pytest

from imgpipe.description import Published, describe
from imgpipe.digest import sha256_of
from imgpipe.images.catalog import Image, find
from imgpipe.manifest import ImagePart, write
from imgpipe.provenance import read_record
from imgpipe.store import Store
from sample_images import Heard, sample_disk, sample_plan


def _qcow2(text: str) -> bytes:
    """Return an image as far as a look at its header goes (QEMU's docs/interop/qcow2.rst), and a text behind that."""
    return b"QFI\xfb" + struct.pack(">IQIIQIIQQIIQII", 2, 0, 0, 16, 2**30, 0, 0, 0, 0, 0, 0, 0, 0, 0) + text.encode()


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "root")


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture
def add_image(store, tmp_path):
    """Put a version into the catalog without any program; its disk is a file that is copied, else a text."""

    def add(name: str, version: str, content: Path | None = None) -> Image:
        disk = sample_disk(tmp_path / "record")
        folder = store.images / name / version
        folder.mkdir(parents=True)
        golden = folder / "golden.qcow2"
        golden.write_bytes(content.read_bytes() if content else _qcow2(f"disk of {name}@{version}"))
        image = ImagePart(
            file="golden.qcow2",
            format="qcow2",
            sha256=sha256_of(golden),
            size=golden.stat().st_size,
            virtual_size=2**30,
        )
        published = Published(
            version=version, created=datetime(2026, 3, 1, tzinfo=UTC), image=image, files={}, tools={}, seconds=1.0
        )
        record = read_record(disk.sealed.folder)
        assert record is not None
        write(folder / "manifest.json", describe(sample_plan(name), disk, record, published))
        golden.chmod(0o444)
        return find(store, f"{name}@{version}")

    return add
