import fcntl
import os
import time

import pytest

from imgpipe.adapters import temporary
from imgpipe.errors import HostError, RecipeError
from imgpipe.images import catalog, retire
from imgpipe.stages.publish import next_version
from imgpipe.store import lock


def nobody(disk):
    return ()


def found(store, keep=1, in_use_by=nobody, unused_s=3600.0):
    return retire.prunable(store, in_use_by, keep=keep, unused_s=unused_s)


def age(folder, seconds):
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (time.time() - seconds,) * 2)


def test_a_removed_version_is_gone_and_its_number_is_not_given_again(store, add_image):
    add_image("rocky9", "20990101.1")
    retire.remove(store, add_image("rocky9", "20990101.2"), nobody)
    assert catalog.versions(store, "rocky9") == ("20990101.1",)
    assert not catalog.leftovers(store, "rocky9")
    taken = catalog.taken_versions(store, "rocky9")
    assert next_version(catalog.newest(store, "rocky9").manifest.created, taken) == "20990101.3"


def test_an_image_without_versions_is_unknown(store, add_image):
    retire.remove(store, add_image("rocky9", "20260301.1"), nobody)
    assert catalog.names(store) == ()
    with pytest.raises(RecipeError, match="nothing was published"):
        catalog.find(store, "rocky9")


def test_an_image_with_linked_clones_stays_and_they_are_named(store, add_image):
    image = add_image("rocky9", "20260301.1")
    with pytest.raises(RecipeError, match="needed by 2 linked clones") as caught:
        retire.remove(store, image, lambda disk: ("web1", "web2") if disk == image.disk else ())
    assert caught.value.details == ("web1", "web2")
    assert image.disk.exists()


def test_an_image_is_not_removed_while_its_name_is_published(store, add_image):
    image = add_image("rocky9", "20260301.1")
    with catalog.image_lock(store, "rocky9", lambda _: None), pytest.raises(HostError, match="in use by process"):
        retire.remove(store, image, nobody)
    assert image.disk.exists()


def test_pruning_keeps_the_newest_of_each_name_and_what_is_needed(store, add_image):
    oldest = add_image("rocky9", "20260101.1")
    for version in ("20260102.1", "20260103.1"):
        add_image("rocky9", version)
    add_image("debian13", "20260101.1")

    def used(disk):
        return ("web1",) if disk == oldest.disk else ()

    prunable = found(store, in_use_by=used)
    assert prunable.names(store) == ["rocky9@20260102.1"]
    assert [kept.image for kept in prunable.kept] == [oldest]
    assert list(retire.prune(store, prunable, used)) == ["rocky9@20260102.1"]
    assert catalog.versions(store, "rocky9") == ("20260103.1", "20260101.1")


def test_what_came_into_use_since_it_was_found_is_left_alone(store, add_image):
    old = add_image("rocky9", "20260101.1")
    add_image("rocky9", "20260102.1")
    assert list(retire.prune(store, found(store), lambda _: ("web1",))) == []
    assert old.disk.exists()


def test_looking_for_what_can_go_touches_nothing(store, add_image):
    add_image("rocky9", "20260101.1")
    add_image("rocky9", "20260102.1")
    before = sorted(store.images.rglob("*"))
    assert found(store).room > 0
    assert [path for path in sorted(store.images.rglob("*")) if ".locks" not in path.parts] == before


def test_leftovers_go_unless_somebody_is_writing_them(store, add_image):
    add_image("rocky9", "20260101.1")
    for name in (".partial-20260102.1-abc", ".removed-20250101.1"):
        (store.images / "rocky9" / name).mkdir()
    with catalog.image_lock(store, "rocky9", lambda _: None):
        assert found(store).names(store) == []
    names = found(store).names(store)
    assert names == ["images/rocky9/.partial-20260102.1-abc", "images/rocky9/.removed-20250101.1"]
    assert list(retire.prune(store, found(store), nobody)) == names
    assert catalog.leftovers(store, "rocky9") == ()


def test_work_goes_when_nothing_in_it_changed_for_long(store):
    for key in ("0123456789abcdef", "fedcba9876543210"):
        (store.work(key) / "installed.qcow2").write_bytes(b"disk")
        (store.work(key) / "console.log").write_text("old")
        age(store.work(key), 7200)
    # What is written to is not seen by the folder's own time.
    (store.work("fedcba9876543210") / "console.log").write_text("new")
    assert found(store).names(store) == ["work/0123456789abcdef"]


def test_work_that_somebody_holds_and_folders_that_are_not_ours_stay(store):
    held = store.work("0123456789abcdef")
    (store.root / "work" / "my notes").mkdir()
    link = store.root / "work" / "fedcba9876543210"
    link.symlink_to(store.root / "work" / "my notes")
    os.utime(link, (0, 0), follow_symlinks=False)
    lock = held / "build.lock"
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        age(store.root / "work", 7200)
        assert found(store).folders == ()
    assert found(store).folders == (held,)


def test_damaged_versions_are_never_pruned(store, add_image):
    for version in ("20260101.1", "20260102.1"):
        (add_image("rocky9", version).folder / "manifest.json").write_text("{}")
    assert found(store).names(store) == []


def test_a_copy_of_an_import_is_old_work_and_a_living_one_is_not(store):
    key = "import-0123456789abcdef"
    (store.work(key) / "installed.qcow2").write_bytes(b"x")
    age(store.root / "work", 7200)
    assert [path.name for path in found(store).folders] == [key]
    with lock(store.lock_file(f"work-{key}-import")):
        age(store.root / "work", 7200)
        (store.work(key) / "installed.qcow2.partial").write_bytes(b"x")
        assert (found(store).folders, retire.leftovers(store)) == ((), ())


def test_temporary_folders_of_the_dead_go_and_those_of_the_living_and_of_others_stay(store, tmp_path, monkeypatch):
    place = tmp_path / "tmp"
    place.mkdir()
    monkeypatch.setattr(temporary.tempfile, "tempdir", str(place))
    with temporary.temporary_folder() as living:
        dead, foreign = place / "imgpipe-abcd1234", place / "imgpipe-projects"
        dead.mkdir(mode=0o700)
        (dead / ".imgpipe-lock").touch()
        foreign.mkdir(mode=0o755)
        (place / "imgpipe-linked01").symlink_to(foreign)
        fresh = place / "imgpipe-fresh001"
        fresh.mkdir(mode=0o700)
        assert retire.leftovers(store) == (dead,)
        assert retire.leftover_names(store, (dead,)) == [str(dead)]
        assert list(retire.remove_leftovers(store, (dead, living), nobody)) == [str(dead)]
        assert living.is_dir()
        age(fresh, 2 * 24 * 3600)
        assert retire.leftovers(store) == (fresh,)
    assert not living.exists()


def test_a_temporary_folder_that_is_removed_before_it_is_locked_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setattr(temporary.tempfile, "tempdir", str(tmp_path))
    lock, removed = fcntl.flock, []

    def late(file, how):
        if not removed and how == fcntl.LOCK_EX:
            removed.extend(tmp_path.iterdir())
            assert temporary.remove_abandoned(removed[0])
        lock(file, how)

    monkeypatch.setattr(temporary.fcntl, "flock", late)
    with temporary.temporary_folder() as folder:
        assert folder.is_dir()
        assert folder not in removed
    assert list(tmp_path.iterdir()) == []


def test_what_only_resembles_a_temporary_folder_of_ours_stays(store, tmp_path, monkeypatch):
    place, elsewhere = tmp_path / "tmp", tmp_path / "elsewhere"
    monkeypatch.setattr(temporary.tempfile, "tempdir", str(place))
    names = ("imgpipe-dead0001", "imgpipe-others01", "imgpipe-openly01", "imgpipe-marked01", "imgpipe-my-notes")
    dead, others, openly, marked, notes = (place / name for name in names)
    for folder in (dead, others, openly, marked, notes, elsewhere):
        folder.mkdir(mode=0o700, parents=True)
    openly.chmod(0o755)
    (elsewhere / "mark").touch()
    (marked / ".imgpipe-lock").symlink_to(elsewhere / "mark")
    (place / "imgpipe-linked02").symlink_to(elsewhere)
    for folder in (dead, others, openly, marked, notes, elsewhere):
        age(folder, 2 * 24 * 3600)
    os.utime(place / "imgpipe-linked02", (0, 0), follow_symlinks=False)
    if os.geteuid() == 0:
        os.chown(others, 12345, 12345)
    else:
        others.rmdir()
    assert temporary.abandoned() == (dead,)
    assert not temporary.remove_abandoned(place / "imgpipe-linked02")
    assert not temporary.remove_abandoned(marked)
    assert (elsewhere / "mark").exists()


def test_a_deploy_between_two_removals_keeps_its_image(store, add_image):
    """The users are asked under each image's lock, so that what was begun before the lock was had is seen."""
    first, second = (add_image("rocky9", version) for version in ("20260101.1", "20260102.1"))
    add_image("rocky9", "20260103.1")
    needed = {}

    def now(disk):
        with pytest.raises(HostError), catalog.image_lock(store, "rocky9", lambda _: None, wait=False):
            pass
        return needed.get(disk, ())

    removing = retire.prune(store, found(store), now)
    gone = next(removing)
    kept = first if gone == second.reference else second
    with catalog.image_lock(store, "rocky9", lambda _: None, wait=False):
        needed[kept.disk] = ("web1",)
    assert list(removing) == []
    assert kept.disk.exists()


def test_an_image_that_is_being_published_stops_no_other_removal(store, add_image):
    for name in ("debian13", "rocky9"):
        for version in ("20260101.1", "20260102.1"):
            add_image(name, version)
    prunable = found(store)
    with catalog.image_lock(store, "debian13", lambda _: None):
        assert list(retire.prune(store, prunable, nobody)) == ["rocky9@20260101.1"]
    assert catalog.versions(store, "debian13") == ("20260102.1", "20260101.1")


def test_the_rest_of_an_interrupted_removal_does_not_block_another(store, add_image):
    image = add_image("rocky9", "20260101.1")
    rest = store.images / "rocky9" / ".removed-20260101.1"
    rest.mkdir()
    (rest / "golden.qcow2").touch()
    retire.remove(store, image, nobody)
    assert not rest.exists()
    assert catalog.versions(store, "rocky9") == ()


def test_a_removal_that_is_killed_is_finished_by_the_next_prune(store, add_image, monkeypatch):
    image = add_image("rocky9", "20260101.1")

    def killed(path, ignore_errors=False):
        if not ignore_errors:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(retire.shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            retire.remove(store, image, nobody)
    assert catalog.versions(store, "rocky9") == ()
    assert catalog.taken_versions(store, "rocky9") == ("20260101.1",)
    left = retire.leftovers(store)
    assert [path.name for path in left] == [".removed-20260101.1"]
    assert list(retire.remove_leftovers(store, left, nobody)) == ["images/rocky9/.removed-20260101.1"]
    assert not left[0].exists()


def test_the_unfinished_disk_of_an_install_that_lives_again_stays(store):
    partial = store.work("0123456789abcdef") / "installed.qcow2.partial"
    partial.touch()
    left = retire.leftovers(store)
    with lock(partial.parent / "install.lock"):
        assert list(retire.remove_leftovers(store, left, nobody)) == []
    assert partial.exists()
    assert list(retire.remove_leftovers(store, left, nobody)) == ["work/0123456789abcdef/installed.qcow2.partial"]


@pytest.mark.parametrize("name", ["0123456789abcdef.lock", "0123456789abcdef/lock", "0123456789abcdef/x.lock"])
def test_a_lock_in_or_beside_a_work_folder_keeps_it(store, name):
    folder = store.work("0123456789abcdef")
    with lock(store.root / "work" / name):
        age(folder, 7200)
        assert found(store).folders == ()
    age(folder, 7200)
    assert found(store).folders == (folder,)


def test_work_and_leftovers_whose_disk_a_machine_has_stay(store):
    disk = store.work("0123456789abcdef") / "installed.qcow2"
    disk.touch()
    (disk.parent / "sealed.qcow2.partial").touch()
    age(disk.parent, 7200)

    def used(path):
        return ("db", str(disk.parent / "own-overlay.qcow2")) if path.parent == disk.parent else ()

    assert found(store, in_use_by=used).folders == ()
    assert found(store, in_use_by=lambda _: (str(disk.parent / "own-overlay.qcow2"),)).folders == (disk.parent,)
    assert list(retire.remove_leftovers(store, retire.leftovers(store), used)) == []
    assert (disk.parent / "sealed.qcow2.partial").exists()


@pytest.mark.parametrize("name", ["installed.qcow2.partial", "sealed-0.qcow2", "verify/overlay.qcow2"])
def test_old_work_stays_for_any_disk_in_it_that_a_machine_has(store, name):
    disk = store.work("0123456789abcdef") / name
    disk.parent.mkdir(exist_ok=True)
    disk.touch()
    age(store.root / "work", 7200)
    assert found(store, in_use_by=lambda path: ("db",) if path == disk else ()).folders == ()


def test_what_cannot_be_deleted_is_not_said_to_be_gone(store, monkeypatch):
    left = store.images / "rocky9" / ".partial-x"
    left.mkdir(parents=True)

    def refused(path, **_options):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(retire.shutil, "rmtree", refused)
    with pytest.raises(HostError, match=r"partial-x' cannot be removed: Permission denied"):
        list(retire.remove_leftovers(store, [left], nobody))
