"""Every place in which libvirt remembers a disk is read; libvirt itself is a fake, which fails where a test says so."""

from __future__ import annotations

from types import SimpleNamespace

import libvirt
import pytest

from imgpipe.adapters.disk_inventory import disk_uses
from imgpipe.errors import HostError
from imgpipe.images.disk_uses import DiskUse

INACTIVE = libvirt.VIR_DOMAIN_XML_INACTIVE


def failure(code):
    error = libvirt.libvirtError("as libvirt says")
    error.err = (code, 0, "as libvirt says", 0, "", None, None, 0, 0)
    return error


def with_disk(*disks):
    return f"<domain><devices>{''.join(disks)}</devices></domain>"


def disk(path, *, more="", form="qcow2", kind="file"):
    return f"<disk><driver type='{form}'/><source {kind}='{path}'/>{more}</disk>"


class Domain:
    """A machine that has each of `texts` in the place of its name."""

    def __init__(self, **texts):
        self.texts = texts

    def name(self):
        return "db"

    def XMLDesc(self, flags=0):
        return self.texts.get("defined" if flags == INACTIVE else "live", with_disk())

    def listAllSnapshots(self):
        return self._all("snapshot")

    def listAllCheckpoints(self):
        return self._all("checkpoint")

    def _all(self, place):
        if isinstance(self.texts.get(place), Exception):
            raise self.texts[place]
        return [SimpleNamespace(getXMLDesc=lambda: self.texts[place])] if place in self.texts else []

    def hasManagedSaveImage(self):
        return int("saved" in self.texts)

    def managedSaveGetXMLDesc(self):
        return self.texts["saved"]


class Pool:
    """A pool at a folder."""

    def __init__(self, folder, *, kind="dir", active=True, refreshes=True, volumes=()):
        self.folder, self.kind, self.active, self.refreshes, self.volumes = folder, kind, active, refreshes, volumes

    def name(self):
        return "pool"

    def XMLDesc(self):
        return f"<pool type='{self.kind}'><target><path>{self.folder}</path></target></pool>"

    def isActive(self):
        return self.active

    def refresh(self, flags):
        if not self.refreshes:
            raise failure(libvirt.VIR_ERR_INTERNAL_ERROR)

    def listAllVolumes(self):
        return [SimpleNamespace(XMLDesc=lambda text=text: text) for text in self.volumes]


def asked(*, domains=(), pools=(), local=True, named=None):
    def pool(name):
        if name not in (named or {}):
            raise failure(libvirt.VIR_ERR_NO_STORAGE_POOL)
        return SimpleNamespace(storageVolLookupByName=lambda volume: SimpleNamespace(path=lambda: named[name] + volume))

    connection = SimpleNamespace(
        listAllDomains=lambda: domains, listAllStoragePools=lambda: pools, storagePoolLookupByName=pool
    )
    return disk_uses(connection, "fake:///", local=local)


@pytest.mark.parametrize("place", ["defined", "live", "snapshot", "checkpoint", "saved"])
def test_a_disk_is_told_wherever_a_machine_has_it(place):
    told = asked(domains=[Domain(**{place: with_disk(disk("/srv/a.qcow2"))})])
    assert told.uses == (DiskUse(owner="db", chain=("/srv/a.qcow2",)),)


def test_a_copy_that_is_being_made_and_a_block_device_are_disks_too():
    mirror = "<mirror><format type='qcow2'/><source file='/srv/copy.qcow2'/></mirror>"
    text = with_disk(disk("/srv/a.qcow2", more=mirror), disk("/dev/vg/lv", form="raw", kind="dev"))
    told = asked(domains=[Domain(live=text)])
    assert [use.chain[0] for use in told.uses] == ["/srv/a.qcow2", "/srv/copy.qcow2", "/dev/vg/lv"]


def test_a_disk_that_is_a_volume_has_the_volumes_path_and_none_where_its_pool_is_gone():
    texts = [f"<disk><driver type='qcow2'/><source pool='{name}' volume='v'/></disk>" for name in ("there", "gone")]
    told = asked(domains=[Domain(live=with_disk(*texts))], named={"there": "/pools/there/"})
    assert told.uses == (DiskUse(owner="db", chain=("/pools/there/v",)),)


def test_what_is_said_of_the_chain_is_told_and_its_end_only_where_it_is_said():
    below = "<backingStore><format type='{}'/><source file='/srv/base'/>{}</backingStore>"
    cases = {
        disk("/srv/a", more="<backingStore/>"): (("/srv/a",), True),
        disk("/srv/a"): (("/srv/a",), False),
        disk("/srv/a", form="raw"): (("/srv/a",), True),
        disk("/srv/a", more=below.format("qcow2", "<backingStore/>")): (("/srv/a", "/srv/base"), True),
        disk("/srv/a", more=below.format("qcow2", "")): (("/srv/a", "/srv/base"), False),
        disk("/srv/a", more=below.format("raw", "")): (("/srv/a", "/srv/base"), True),
        # Whatever a guest wrote to its raw disk is no header.
        disk("/srv/a", form="raw", more=below.format("raw", "")): (("/srv/a",), True),
    }
    for text, (chain, ended) in cases.items():
        (use,) = asked(domains=[Domain(live=with_disk(text))]).uses
        assert (use.chain, use.ended) == (chain, ended), text


@pytest.mark.parametrize("place", ["snapshot", "checkpoint"])
def test_what_a_driver_does_not_offer_is_nothing_and_any_other_failure_is_one(place):
    assert asked(domains=[Domain(**{place: failure(libvirt.VIR_ERR_NO_SUPPORT)})]).uses == ()
    with pytest.raises(HostError):
        asked(domains=[Domain(**{place: failure(libvirt.VIR_ERR_INTERNAL_ERROR)})])


def test_the_files_of_a_folder_count_also_where_libvirt_does_not_list_them(tmp_path):
    (tmp_path / "newer.qcow2").touch()
    for active in (True, False):
        told = asked(pools=[Pool(tmp_path, active=active)])
        assert [use.owner for use in told.uses] == [str(tmp_path / "newer.qcow2")]
        assert told.unknown == ()


@pytest.mark.parametrize(
    ("pool", "local", "said"),
    [
        ({"active": False, "kind": "netfs"}, True, "is not active"),
        ({"active": False, "kind": "logical"}, True, "is not active"),
        ({"active": False}, False, "is not active"),
        ({"refreshes": False}, False, "could not list its volumes anew"),
    ],
)
def test_a_pool_that_cannot_be_looked_into_is_unknown(tmp_path, pool, local, said):
    (tmp_path / "not-the-pools").touch()
    told = asked(pools=[Pool(tmp_path, **pool)], local=local)
    assert told.uses == ()
    assert len(told.unknown) == 1
    assert said in told.unknown[0]


def test_of_another_host_the_volumes_tell_what_is_below_them():
    text = "<volume><target><path>/srv/{}</path></target>{}</volume>"
    volumes = (
        text.format("top", "<backingStore><path>../else/base</path></backingStore>"),
        text.format("alone", "<backingStore/>"),
    )
    told = asked(pools=[Pool("/srv", volumes=volumes)], local=False)
    assert told.uses == (
        DiskUse(owner="/srv/top", chain=("/srv/top", "/srv/../else/base"), ended=False, volume=True),
        DiskUse(owner="/srv/alone", chain=("/srv/alone",), ended=True, volume=True),
    )
