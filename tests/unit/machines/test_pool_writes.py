"""What pools write over, hand on and leave alone: one in a folder, and one that only libvirt reaches (a fake)."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import libvirt
import pytest

from imgpipe.adapters import pool_folder
from imgpipe.adapters.pool import Base
from imgpipe.adapters.pool_folder import FolderPool
from imgpipe.adapters.pool_volumes import VolumePool
from imgpipe.disk_source import check_source
from imgpipe.errors import HostError, RecipeError

DISK = (b"\0" * 510 + b"\x55\xaa").ljust(2**16, b"x")


def refusal(code):
    error = libvirt.libvirtError("as libvirt says")
    error.err = (code, 18, "as libvirt says", 2, "", "", "", -1, -1)
    return error


class Volume:
    def __init__(self, pool, name, backing=""):
        self.pool, self.name, self.backing = pool, name, backing

    def delete(self, flags):
        del self.pool.volumes[self.name]

    def XMLDesc(self):
        below = f"<backingStore><path>{self.backing}</path></backingStore>" if self.backing else "<backingStore/>"
        return f"<volume>{below}</volume>"


class LibvirtPool:
    """Remembers what it was asked to make, and makes nothing that is there."""

    def __init__(self):
        self.volumes, self.made = {}, []

    def name(self):
        return "vms"

    def storageVolLookupByName(self, name):
        if name not in self.volumes:
            raise refusal(libvirt.VIR_ERR_NO_STORAGE_VOL)
        return self.volumes[name]

    def createXML(self, xml, flags):
        volume = ET.fromstring(xml)
        self.made.append(volume)
        if volume.findtext("name") in self.volumes:
            raise refusal(libvirt.VIR_ERR_STORAGE_VOL_EXIST)
        self.volumes[volume.findtext("name")] = Volume(self, volume.findtext("name"))
        return self.volumes[volume.findtext("name")]


MARK = "0123456789abcdef"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "pool").mkdir()
    return FolderPool("vms", tmp_path / "pool", None)


@pytest.fixture
def far():
    pool = LibvirtPool()
    return pool, VolumePool(pool, Path("/vms"), "qemu+ssh://host/system")


def test_a_new_small_file_never_replaces_one_and_leaves_no_half(folder):
    folder.file("seed.iso").write_bytes(b"theirs")
    with pytest.raises(HostError, match=r"seed\.iso"):
        folder.write_small("seed.iso", b"ours", MARK)
    assert folder.file("seed.iso").read_bytes() == b"theirs"
    folder.write_small("seed.iso", b"ours")
    folder.write_small("other.iso", b"ours", MARK)
    shown = {path.name: path.read_bytes() for path in folder.path.iterdir() if not path.name.startswith(".")}
    assert shown == dict.fromkeys(("seed.iso", "other.iso"), b"ours")
    assert folder.file("seed.iso").stat().st_mode & 0o777 == 0o600


def test_a_volume_that_cannot_be_read_is_not_taken_for_one_without_a_backing_file(folder, monkeypatch):
    folder.file("a.qcow2").touch()

    def denied(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(pool_folder, "backing_of", denied)
    with pytest.raises(HostError, match=r"a\.qcow2' cannot be read: Permission denied"):
        folder.backing("a.qcow2")
    assert folder.backing("gone.qcow2") is None


def test_a_foreign_disk_that_was_changed_since_its_check_is_no_base_and_is_not_copied(folder, tmp_path):
    disk = tmp_path / "disk.img"
    disk.write_bytes(DISK)
    checked = check_source(disk)
    base = folder.base(disk, "", "", foreign=checked)
    assert (base.path, base.format, base.virtual_size) == (disk, "raw", 2**16)
    disk.write_bytes(DISK[::-1])
    with pytest.raises(RecipeError, match="changed after it was checked"):
        folder.base(disk, "", "", foreign=checked)
    with pytest.raises(RecipeError, match="changed after it was checked"):
        folder.copy("vm.qcow2", base, 2**16)
    assert folder.names() == frozenset()


def test_of_another_host_a_new_volume_never_replaces_one(far):
    pool, volumes = far
    pool.volumes["seed.iso"] = theirs = Volume(pool, "seed.iso")
    with pytest.raises(HostError, match=r"write the volume 'seed\.iso'"):
        volumes.write_small("seed.iso", b"ours", MARK)
    assert pool.volumes == {"seed.iso": theirs}


def test_of_another_host_what_lies_below_a_volume_is_told(far):
    pool, volumes = far
    pool.volumes |= {"top": Volume(pool, "top", "/vms/base"), "alone": Volume(pool, "alone")}
    assert (volumes.backing("top"), volumes.backing("alone"), volumes.backing("gone")) == (
        Path("/vms/base"),
        None,
        None,
    )


def test_a_machines_disk_is_made_for_its_owner_alone(far):
    pool, volumes = far
    volumes.overlay("vm.qcow2", Base(path=Path("/vms/base"), format="qcow2", virtual_size=1), 2**20)
    (made,) = pool.made
    assert made.findtext("target/permissions/mode") == "0600"
    assert (made.findtext("backingStore/path"), made.find("backingStore/format").get("type")) == ("/vms/base", "qcow2")


def test_a_raw_foreign_disk_is_not_uploaded(far, tmp_path):
    pool, volumes = far
    (tmp_path / "disk.img").write_bytes(DISK)
    with pytest.raises(HostError, match="must be a qcow2 without backing files"):
        volumes.base(tmp_path / "disk.img", "base", "", foreign=check_source(tmp_path / "disk.img"))
    assert pool.made == []
