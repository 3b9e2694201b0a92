from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from imgpipe.adapters.seed_iso import write_seed
from imgpipe.events import Event
from imgpipe.os_family import MediumIdentity, System
from imgpipe.store import Store

MediumMaking = Callable[..., Path]

ROCKY_TREE = """[general]
family = Rocky Linux
name = Rocky Linux 9.6
version = 9.6
arch = x86_64
[images-x86_64]
kernel = images/pxeboot/vmlinuz
initrd = images/pxeboot/initrd.img
"""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    empty = tmp_path / "cwd"
    empty.mkdir()
    monkeypatch.chdir(empty)
    monkeypatch.delenv("IMGPIPE_MEDIA", raising=False)
    monkeypatch.setattr("imgpipe.media.find._HOST_FOLDERS", ())
    return Store(tmp_path / "store")


@pytest.fixture
def media(tmp_path: Path) -> Path:
    folder = tmp_path / "media"
    folder.mkdir()
    return folder


@pytest.fixture
def make_iso(media: Path) -> MediumMaking:
    def make(name: str, files: Mapping[str, str], volume_id: str = "medium") -> Path:
        write_seed(media / name, volume_id, {path: text.encode() for path, text in files.items()})
        return media / name

    return make


@pytest.fixture
def rocky_iso(make_iso: MediumMaking) -> Path:
    files = {
        ".treeinfo": ROCKY_TREE,
        ".discinfo": "1700000000.0\nRocky Linux 9.6\nx86_64\n",
        "images/pxeboot/vmlinuz": "kernel of 9.6",
        "images/pxeboot/initrd.img": "initrd of 9.6",
    }
    return make_iso("Rocky-9.6-x86_64-minimal.iso", files, "Rocky 9.6")


@pytest.fixture
def rocky() -> System:
    return System(
        name="rocky9",
        title="Rocky Linux 9",
        media=("Rocky-9*-minimal.iso", "Rocky-9*.iso"),
        download="the publisher",
        identity=MediumIdentity(family="Rocky Linux", version=r"9\b", volume_id="Rocky-9"),
        memory=2**31,
    )


@pytest.fixture
def events() -> list[Event]:
    return []
