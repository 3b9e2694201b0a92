"""Who needs a file, by what libvirt told and by what lies on this host's disks."""

import os
from pathlib import Path

import pytest
from test_backing_names import overlay

from imgpipe.errors import HostError
from imgpipe.images import disk_uses
from imgpipe.images.disk_uses import DiskUse, DiskUses, UseGraph
from imgpipe.images.users import known_users, overlays_in


def told(*uses, local=True, unknown=()):
    return UseGraph(DiskUses(uri="qemu:///system", local=local, uses=uses, unknown=unknown))


def test_whoever_has_it_as_a_disk_or_anywhere_below_one_needs_it(tmp_path):
    golden = tmp_path / "golden.qcow2"
    golden.write_bytes(b"disk")
    middle = overlay(tmp_path / "middle.qcow2", str(golden))
    top = overlay(tmp_path / "top.qcow2", "middle.qcow2")
    graph = told(
        DiskUse(owner="direct", chain=(str(golden),)),
        DiskUse(owner="stranger", chain=(str(top),)),
        DiskUse(owner="other", chain=("/dev/null",), ended=True),
    )
    assert graph.users(golden) == ("direct", "stranger")
    assert graph.users(middle) == ("stranger",)
    assert graph.unknown == ()


@pytest.mark.parametrize("kind", ["symlink", "hardlink", "folder"])
def test_another_path_of_the_same_file_is_the_same_file(tmp_path, kind):
    golden = tmp_path / "images" / "golden.qcow2"
    golden.parent.mkdir()
    golden.write_bytes(b"disk")
    other = tmp_path / "other.qcow2"
    if kind == "symlink":
        other.symlink_to(golden)
    elif kind == "hardlink":
        os.link(golden, other)
    else:
        (tmp_path / "way").symlink_to(golden.parent)
        other = tmp_path / "way" / "golden.qcow2"
    top = overlay(tmp_path / "top.qcow2", str(other))
    assert told(DiskUse(owner="db", chain=(str(top),))).users(golden) == ("db",)
    assert told(DiskUse(owner="db", chain=(str(other),))).users(golden) == ("db",)
    assert overlays_in([tmp_path])(golden) == (str(top),)


def test_a_raw_disk_has_nothing_below_it_whatever_its_guest_wrote(tmp_path):
    golden = tmp_path / "golden.qcow2"
    golden.touch()
    raw = overlay(tmp_path / "raw.img", str(golden))
    assert told(DiskUse(owner="db", chain=(str(raw),), ended=True)).users(golden) == ()


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("claim", ["raw", "no backing file", "another backing file"])
def test_what_one_machine_says_of_a_file_hides_nothing_of_anothers_use(tmp_path, claim, first):
    golden = tmp_path / "golden.qcow2"
    golden.touch()
    top = overlay(tmp_path / "top.qcow2", str(golden))
    chain = (str(top), str(tmp_path / "decoy")) if claim == "another backing file" else (str(top),)
    claims = DiskUse(owner="odd", chain=chain, ended=True, raw=claim == "raw")
    uses = DiskUse(owner="db", chain=(str(top),))
    assert "db" in told(*((claims, uses) if first else (uses, claims))).users(golden)


def test_a_file_that_one_machine_calls_raw_is_unknown_for_another_where_it_cannot_be_read():
    raw = DiskUse(owner="odd", chain=("/srv/top",), ended=True, raw=True)
    graph = told(raw, DiskUse(owner="db", chain=("/srv/top",)), local=False)
    assert "what is below the disk '/srv/top' of 'db' cannot be seen" in graph.unknown
    assert told(raw, local=False).unknown == ()


def test_a_relative_name_is_looked_up_beside_each_link_to_its_overlay(tmp_path):
    golden = tmp_path / "images" / "golden.qcow2"
    golden.parent.mkdir()
    golden.touch()
    top = overlay(tmp_path / "top.qcow2", "golden.qcow2")
    link = golden.parent / "link.qcow2"
    link.symlink_to(top)
    graph = told(DiskUse(owner="plain", chain=(str(top),)), DiskUse(owner="linked", chain=(str(link),)))
    assert "linked" in graph.users(golden)


def test_a_volume_is_no_use_of_itself_and_its_machine_is_named_instead_of_it(tmp_path):
    golden = tmp_path / "golden.qcow2"
    golden.touch()
    own = overlay(tmp_path / "own.qcow2", str(golden))
    stray = overlay(tmp_path / "stray.qcow2", str(golden))
    volumes = [DiskUse(owner=str(path), chain=(str(path),), volume=True) for path in (golden, own, stray)]
    graph = told(*volumes, DiskUse(owner="web", chain=(str(own),)))
    assert graph.users(golden) == (str(stray), "web")


def test_of_another_host_the_pools_volumes_tell_what_is_below_a_machines_disk():
    volumes = (
        DiskUse(owner="/pool/top", chain=("/pool/top", "/pool/base"), volume=True),
        DiskUse(owner="/pool/base", chain=("/pool/base",), ended=True, volume=True),
    )
    graph = told(*volumes, DiskUse(owner="db", chain=("/pool/top",)), local=False)
    assert graph.users("/pool/base") == ("db",)
    assert graph.unknown == ()


def test_of_another_host_a_disk_in_no_pool_is_unknown():
    graph = told(DiskUse(owner="db", chain=("/srv/db.qcow2",)), local=False)
    assert graph.unknown == ("what is below the disk '/srv/db.qcow2' of 'db' cannot be seen",)


def test_what_is_not_known_is_not_free():
    some = DiskUses(uri="qemu:///system", local=True, unknown=("the storage pool 'x' is not active",))
    with pytest.raises(HostError, match="not known which machines") as caught:
        known_users(some)
    assert caught.value.exit_code == 3
    assert caught.value.details == some.unknown
    assert "--without-libvirt" in caught.value.hint


def test_a_file_that_is_gone_is_an_overlay_of_nothing(tmp_path):
    assert told(DiskUse(owner="db", chain=(str(tmp_path / "gone"),))).unknown == ()


def test_a_disk_that_cannot_be_read_is_unknown(tmp_path, monkeypatch):

    def denied(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(disk_uses, "backing_of", denied)
    disk = tmp_path / "db.qcow2"
    disk.touch()
    assert told(DiskUse(owner="db", chain=(str(disk),))).unknown
    with pytest.raises(HostError, match="not known"):
        overlays_in([tmp_path])


def test_symbolic_links_in_a_searched_folder_are_not_followed(tmp_path):
    golden = tmp_path / "golden.qcow2"
    golden.touch()
    (tmp_path / "machines").mkdir()
    elsewhere = overlay(tmp_path / "elsewhere.qcow2", str(golden))
    (tmp_path / "machines" / "link.qcow2").symlink_to(elsewhere)
    (tmp_path / "machines" / "endless").symlink_to(tmp_path / "machines")
    assert overlays_in([tmp_path / "machines"])(golden) == ()


def test_what_stays_above_a_disk_needs_it_though_its_machine_goes(tmp_path):
    disk = tmp_path / "web.qcow2"
    disk.touch()
    newest = overlay(tmp_path / "newest.qcow2", str(disk))
    uses = (DiskUse(owner="web", chain=(str(disk),)), DiskUse(owner="web", chain=(str(newest),)))
    assert told(*uses).needed_by(disk, (disk,), {"web"}) == (str(newest),)
    assert told(*uses).needed_by(disk, (disk, newest), {"web"}) == ()
    theirs = DiskUse(owner="stranger", chain=(str(newest),))
    assert told(*uses, theirs).needed_by(disk, (disk, newest), {"web"}) == ("stranger",)
    assert told(*uses).needed_by(disk, (disk, newest), ()) == ("web",)
    graph = told(*uses)
    newest.unlink()
    assert graph.needed_by(disk, (disk,), {"web"}) == ()


def test_a_file_keeps_its_place_in_what_was_told_when_another_takes_its_inode(tmp_path):
    disk, top = tmp_path / "web.qcow2", tmp_path / "top.qcow2"
    disk.touch()
    overlay(top, str(disk))
    graph = told(DiskUse(owner="web", chain=(str(top),)), DiskUse(owner=str(disk), chain=(str(disk),), volume=True))
    top.unlink()
    assert graph.needed_by(disk, (disk, top), {"web"}) == ()


def test_what_cannot_be_seen_of_files_that_go_is_no_matter():
    graph = told(
        DiskUse(owner="web", chain=("/srv/web.qcow2",)),
        DiskUse(owner="db", chain=("/srv/db.qcow2",)),
        local=False,
        unknown=("the storage pool 'x' is not active",),
    )
    assert graph.unseen(()) == graph.unknown
    assert graph.unseen([Path("/srv/web.qcow2")]) == (
        "the storage pool 'x' is not active",
        "what is below the disk '/srv/db.qcow2' of 'db' cannot be seen",
    )
