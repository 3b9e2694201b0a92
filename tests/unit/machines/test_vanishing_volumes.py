"""Volumes that somebody deletes while they are looked at, as parallel removals of machines do."""

from pathlib import Path

import libvirt
import pytest

from imgpipe.adapters import pool_volumes
from imgpipe.adapters.pool_volumes import VolumePool
from imgpipe.errors import HostError


def refusal(code):
    error = libvirt.libvirtError("cannot stat file")
    error.err = (code, 18, "cannot stat file", 2, "", "", "", -1, -1)
    return error


class FakeLibvirtPool:
    """A pool with one volume, whose file is gone; the list still has it for so many looks."""

    def __init__(self, looks):
        self.looks = looks

    def name(self):
        return "vms"

    def storageVolLookupByName(self, name):
        self.looks -= 1
        if self.looks < 0:
            raise refusal(libvirt.VIR_ERR_NO_STORAGE_VOL)
        return self

    def XMLDesc(self):
        raise refusal(libvirt.VIR_ERR_SYSTEM_ERROR)


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(pool_volumes.time, "sleep", lambda _seconds: None)


def test_a_volume_that_is_deleted_meanwhile_is_an_overlay_of_nothing():
    assert VolumePool(FakeLibvirtPool(3), Path("/vms"), "qemu:///system").backing("a.qcow2") is None


def test_a_volume_that_stays_and_cannot_be_described_is_not_taken_for_one_without_a_backing_file():
    with pytest.raises(HostError, match=r"look at the volume 'a\.qcow2'"):
        VolumePool(FakeLibvirtPool(1000), Path("/vms"), "qemu:///system").backing("a.qcow2")
