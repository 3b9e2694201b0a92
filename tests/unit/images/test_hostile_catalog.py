"""Golden images that somebody else could change, and folders that cannot be looked through."""

import os
import stat
import sys
from contextlib import contextmanager

import pytest

from imgpipe.errors import HostError
from imgpipe.images import catalog, export, retire, users, walking
from imgpipe.images.soundness import faults


def nobody(_disk):
    return ()


def replaced(image, kind, victim):
    """Put something else in the place of an image's disk, with the very bytes that its manifest names."""
    image.disk.rename(victim)
    if kind == "a link":
        image.disk.symlink_to(victim)
    elif kind == "a dangling link":
        image.disk.symlink_to(victim.with_name("nowhere"))
    elif kind == "a FIFO":
        os.mkfifo(image.disk, 0o444)
    elif kind == "a folder":
        image.disk.mkdir(mode=0o555)
    elif kind == "a hard link to somebody else's file":
        os.chown(victim, 65534, 65534)
        image.disk.hardlink_to(victim)
    elif kind == "a file that a group may write to":
        victim.rename(image.disk)
        image.disk.chmod(0o464)
    else:
        victim.rename(image.disk)
        image.folder.chmod(0o777)


KINDS = {
    "a link": "'golden.qcow2' is a symbolic link",
    "a dangling link": "'golden.qcow2' is a symbolic link",
    "a FIFO": "'golden.qcow2' is no plain file",
    "a folder": "'golden.qcow2' is no plain file",
    "a hard link to somebody else's file": "'golden.qcow2' belongs to the user",
    "a file that a group may write to": "others may write to 'golden.qcow2'",
    "a folder that everybody may write to": "others may write to '20260301.1'",
}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("kind", KINDS)
def test_a_disk_that_others_can_change_is_no_image_of_any_command(store, add_image, tmp_path, kind):
    sound, image = add_image("rocky9", "20260228.1"), add_image("rocky9", "20260301.1")
    replaced(image, kind, tmp_path / "victim")
    found = catalog.read_catalog(store)
    assert [one.reference for one in found.images] == [sound.reference]
    assert KINDS[kind] in found.damages[0].reason
    # show, verify, export, rm, deploy and clone look it up by name; a build asks whether it is published already.
    with pytest.raises(HostError, match="is damaged"):
        catalog.find(store, image.reference)
    assert catalog.newest(store, "rocky9") is None
    prunable = retire.prunable(store, nobody, keep=1, unused_s=1.0)
    assert list(retire.prune(store, prunable, nobody)) == []
    assert os.path.lexists(image.disk)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_disk_that_libvirt_gave_to_qemu_is_an_image(store, add_image, monkeypatch):
    import pwd

    image = add_image("rocky9", "20260301.1")
    os.chown(image.disk, 65534, -1)
    monkeypatch.setattr(catalog, "qemu_user", lambda: pwd.getpwuid(65534))
    assert catalog.find(store, image.reference) == image
    os.chown(image.folder, 65534, -1)
    with pytest.raises(HostError, match="'20260301.1' belongs to"):
        catalog.find(store, image.reference)


def test_a_disk_that_is_linked_once_more_is_an_image(store, add_image, tmp_path):
    image = add_image("rocky9", "20260301.1")
    (tmp_path / "backup.qcow2").hardlink_to(image.disk)
    assert catalog.find(store, image.reference) == image


def test_a_link_that_comes_after_the_look_is_followed_neither_by_verify_nor_by_export(
    store, add_image, heard, tmp_path
):
    image = add_image("rocky9", "20260301.1")
    replaced(image, "a link", tmp_path / "victim")
    assert any("no plain file" in fault for fault in faults(image, heard))
    for form in ("qcow2", "raw"):
        with pytest.raises(HostError, match="no plain file"):
            export.export(image, tmp_path / f"out.{form}", heard, export.Encoding(form=form))
        assert not (tmp_path / f"out.{form}").exists()


@pytest.fixture
def closed(monkeypatch):
    """Return what makes a folder unreadable for this process, whoever runs it."""
    refused = set()
    real = os.listdir
    scan = os.scandir

    def guarded(list_it):
        def look(path="."):
            if os.fspath(path) in refused:
                raise PermissionError(13, "Permission denied", os.fspath(path))
            return list_it(path)

        return look

    monkeypatch.setattr(os, "listdir", guarded(real))
    monkeypatch.setattr(os, "scandir", guarded(scan))
    return lambda path: refused.add(os.fspath(path))


WHERE = ("images", "images/rocky9", "work", "work/0123456789abcdef", "work/0123456789abcdef/copied-x", "locks")


@pytest.mark.parametrize("where", WHERE)
def test_what_cannot_be_looked_through_is_never_nothing_to_remove(store, add_image, closed, where):
    add_image("rocky9", "20260301.1")
    (store.work("0123456789abcdef") / "copied-x").mkdir()
    (store.root / "locks").mkdir()
    closed(store.root / where)
    with pytest.raises(HostError, match=rf"'{store.root / where}' cannot be looked through: Permission denied\."):
        retire.room_of(retire.prunable(store, nobody, keep=1, unused_s=-60.0).folders)
    if "copied" not in where:
        with pytest.raises(HostError, match="cannot be looked through"):
            retire.leftovers(store)


def test_overlays_in_a_folder_that_cannot_be_read_are_not_known(tmp_path, closed):
    folder = tmp_path / "machines" / "deep"
    folder.mkdir(parents=True)
    closed(folder)
    with pytest.raises(HostError, match="deep' cannot be looked through"):
        users.overlays_in([tmp_path / "machines"])


def test_a_folder_whose_files_vanish_meanwhile_is_walked_to_its_end(tmp_path):
    for name in ("a", "b", "c"):
        (tmp_path / "work" / name).mkdir(parents=True)
    seen = []
    for path, _ in walking.walk(tmp_path / "work"):
        seen.append(path.name)
        if path.name == "a":
            (tmp_path / "work" / "b").rmdir()
    assert seen == ["work", "a", "c"]
    assert list(walking.walk(tmp_path / "gone")) == []


DEPTH = sys.getrecursionlimit() + 200


@contextmanager
def deep(top):
    """Have folders below `top` that are too deep for what goes down by recursion, with a link to it at the end."""
    top.mkdir(parents=True)
    folder = os.open(top, os.O_RDONLY)
    for _ in range(DEPTH):
        os.mkdir("d", dir_fd=folder)
        below = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    os.symlink(top, "up", dir_fd=folder)
    os.close(folder)
    try:
        yield
    finally:
        while (top / "d" / "d").exists():
            (top / "d" / "d").rename(top / "x")
            (top / "d").rmdir()
            (top / "x").rename(top / "d")


def test_links_are_not_walked_and_depth_has_no_end(tmp_path):
    with deep(tmp_path / "top"):
        found = [status for _, status in walking.walk(tmp_path / "top")]
    assert len(found) == DEPTH + 2
    assert stat.S_ISLNK(found[-1].st_mode)


def test_folders_too_deep_to_be_deleted_are_told_of(store):
    left = store.images / "rocky9" / ".removed-20260101.1"
    with deep(left), pytest.raises(HostError, match="nested too deeply"):
        list(retire.remove_leftovers(store, retire.leftovers(store), nobody))


def test_a_folder_that_was_swapped_for_a_link_is_not_deleted_through_it(store, tmp_path):
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "precious").write_text("x")
    left = store.images / "rocky9" / ".removed-20260101.1"
    left.mkdir(parents=True)
    (found,) = retire.leftovers(store)
    left.rmdir()
    left.symlink_to(victim)
    with pytest.raises(HostError, match="cannot be removed"):
        list(retire.remove_leftovers(store, [found], nobody))
    assert (victim / "precious").exists()
