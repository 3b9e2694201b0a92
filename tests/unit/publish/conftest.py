import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from imgpipe.adapters import qemu_img
from imgpipe.adapters.qemu_img import ImageInfo
from sample_images import sample_disk


class FakeQemuImg:
    """Images are plain files here: converting copies them, and `fails` makes it stop in the middle."""

    def __init__(self) -> None:
        self.converted: list[Path] = []
        self.fails: Exception | None = None

    def convert(self, source, target, *, compress=None, moved):
        assert compress
        self.converted.append(target)
        shutil.copyfile(source, target)
        moved(50.0)
        if self.fails:
            raise self.fails

    def info(self, path):
        size = path.stat().st_size
        return ImageInfo(format="qcow2", virtual_size=size, disk_size=size, backing=None)


@pytest.fixture
def qemu(monkeypatch):
    fake = FakeQemuImg()
    monkeypatch.setattr(qemu_img, "convert", fake.convert)
    monkeypatch.setattr(qemu_img, "info", fake.info)
    monkeypatch.setattr(qemu_img, "check", lambda _: None)
    monkeypatch.setattr(qemu_img, "best_compression", lambda: "zstd")
    monkeypatch.setattr(qemu_img, "version", lambda: "10.0.2")
    return fake


@pytest.fixture
def disk(tmp_path):
    verified = sample_disk(tmp_path / "work" / "0123456789abcdef")
    verified.sealed.path.write_bytes(b"disk" * 1000)
    return verified
