import multiprocessing
import os
import stat

import pytest

from imgpipe.errors import HostError
from imgpipe.store import Store, finished_file, lock


def test_a_name_exists_only_when_the_thing_is_finished(tmp_path):
    with finished_file(tmp_path / "a") as partial:
        partial.write_text("half")
        assert not (tmp_path / "a").exists()
    assert (tmp_path / "a").read_text() == "half"


def test_a_failure_leaves_nothing(tmp_path):
    def write_and_fail():
        with finished_file(tmp_path / "a") as partial:
            partial.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_and_fail()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_is_overwritten(tmp_path):
    (tmp_path / "a.partial").write_text("of a killed run")
    with finished_file(tmp_path / "a") as partial:
        assert not partial.exists()
        partial.write_text("new")
    assert (tmp_path / "a").read_text() == "new"


def test_the_salt_is_made_once_and_only_its_owner_reads_it(tmp_path):
    store = Store(tmp_path)
    assert store.salt() == store.salt()
    assert len(store.salt()) == 32
    assert stat.S_IMODE((tmp_path / "salt").stat().st_mode) == 0o600


def test_a_work_folder_can_be_passed_through_but_not_listed(tmp_path):
    assert stat.S_IMODE(Store(tmp_path).work("k").stat().st_mode) == 0o711


def _hold(path, ready, done):
    with lock(path, lambda holder: None):
        ready.set()
        done.wait(30)


def test_a_held_lock_names_its_holder_and_is_gone_with_it(tmp_path):
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    holder = context.Process(target=_hold, args=(tmp_path / "x.lock", ready, done))
    holder.start()
    assert ready.wait(30)
    with pytest.raises(HostError, match=f"process {holder.pid}"), lock(tmp_path / "x.lock", print, wait=False):
        pass
    os.kill(holder.pid, 9)
    holder.join(30)
    waited = []
    with lock(tmp_path / "x.lock", waited.append):
        assert waited == []
