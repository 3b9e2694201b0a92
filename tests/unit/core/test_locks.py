"""Locks: files of the data root's owner alone, which nothing else is ever taken for."""

import fcntl
import os
import stat
from threading import Event, Thread

import pytest

from imgpipe.errors import HostError
from imgpipe.images import retire
from imgpipe.store import LockHeld, Store, is_held, lock


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "data")


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o277, 0o777])
def test_a_lock_is_its_owners_alone_whatever_the_umask_says(store, umask):
    path = store.lock_file("x")
    store.root.mkdir()
    before = os.umask(umask)
    try:
        with lock(path):
            pass
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_folders_and_files_of_versions_before_are_closed_to_others(store):
    path = store.lock_file("x")
    path.parent.mkdir(parents=True, mode=0o755)
    path.write_text("12")
    path.chmod(0o644)
    with lock(path):
        assert path.read_text() == str(os.getpid())
    assert (stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode)) == (0o600, 0o700)


def planted(kind, path, victim):
    path.parent.mkdir(parents=True)
    victim.write_text("precious")
    if kind == "symlink":
        path.symlink_to(victim)
    elif kind == "dangling symlink":
        path.symlink_to(victim.with_name("new"))
    elif kind == "hard link":
        victim.write_text("7")
        path.hardlink_to(victim)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.write_text(kind)


@pytest.mark.parametrize(
    "kind", ["symlink", "dangling symlink", "hard link", "fifo", "folder", "not a number", "1" * 21, "12\n34"]
)
def test_what_is_no_lock_of_ours_is_refused_and_left_alone(store, tmp_path, kind):
    path, victim = store.lock_file("x"), tmp_path / "victim"
    planted(kind, path, victim)
    before = victim.read_text(), path.read_text() if path.is_file() else ""
    with pytest.raises(HostError, match="lock"), lock(path):
        pass
    assert (victim.read_text(), path.read_text() if path.is_file() else "") == before
    assert not (tmp_path / "new").exists()
    assert not is_held(path)


def test_a_folder_of_locks_that_is_a_symbolic_link_is_refused(store, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    store.root.mkdir()
    (store.root / "locks").symlink_to(elsewhere)
    with pytest.raises(HostError, match="cannot be opened"), lock(store.lock_file("x")):
        pass
    assert list(elsewhere.iterdir()) == []


def test_a_lock_of_a_stranger_is_refused(store):
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    path = store.lock_file("x")
    path.parent.mkdir(parents=True)
    path.touch()
    os.chown(path, 12345, 12345)
    with pytest.raises(HostError, match="no lock file"), lock(path):
        pass
    os.chown(path.parent, 12345, 12345)
    with pytest.raises(HostError, match="belongs to the user 12345"), lock(path):
        pass


@pytest.mark.parametrize("name", ["clones-of-a/b", "../x", "x" * 300, "a\x1b[31m", "", "ü"])
def test_a_lock_of_any_name_is_a_file_in_the_folder_of_locks(store, name):
    path = store.lock_file(name)
    assert path.parent == store.root / "locks"
    with lock(path):
        assert is_held(path)
    assert not is_held(path)


def test_whoever_waits_has_the_lock_only_when_the_holder_has_let_go(store):
    path, ready, waiting, taken, both = store.lock_file("x"), Event(), Event(), Event(), []

    def hold():
        with lock(path):
            ready.set()
            assert waiting.wait(30)
            both.append(taken.wait(0.3))

    holder = Thread(target=hold)
    holder.start()
    assert ready.wait(30)
    with lock(path, lambda _holder: waiting.set()):
        taken.set()
    holder.join(30)
    assert both == [False]


def test_the_question_whether_a_lock_is_held_makes_nothing(store):
    assert not is_held(store.lock_file("x"))
    assert not store.root.exists()


def test_a_work_folder_is_free_only_when_neither_new_nor_old_locks_of_it_are_held(store):
    key = "0123456789abcdef"
    folder = store.work(key)
    for name in (f"install-{key}", f"work-{key}-seed", f"work-{key}-verify-1"):
        with lock(store.lock_file(name)):
            assert not retire._is_free(store, folder)
            with retire._free(store, folder) as free:
                assert not free
    with (folder / "install.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with retire._free(store, folder) as free:
            assert not free
    assert retire._is_free(store, folder)
    with retire._free(store, folder) as free:
        assert free
        with pytest.raises(LockHeld), lock(store.lock_file(f"install-{key}"), wait=False):
            pass


def test_an_image_is_free_only_when_its_name_is_not_locked_by_this_version_or_an_older_one(store):
    folder = store.images / "demo" / "20260301.1"
    folder.mkdir(parents=True)
    old = store.images / ".locks" / "demo.lock"
    old.parent.mkdir()
    with old.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert not retire._is_free(store, folder)
    with lock(store.lock_file("published-demo")):
        assert not retire._is_free(store, folder)
    assert retire._is_free(store, folder)
