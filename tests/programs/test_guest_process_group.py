"""The worker's process group, with shells in place of libguestfs and QEMU."""

import time
from pathlib import Path

import pytest

from imgpipe.adapters.guest_process import GuestProcess
from imgpipe.errors import HostError

pytestmark = pytest.mark.programs

# A worker with a child of its own, whose id it tells, and which then hangs.
HANGING = ["/bin/sh", "-c", 'sleep 600 & echo "{\\"ok\\": $!}"; wait']


def runs(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"  # nobody reaps orphans in some containers


def wait_until_gone(pid):
    deadline = time.monotonic() + 30
    while runs(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not runs(pid)


def test_a_worker_that_hangs_is_ended_with_its_children():
    with GuestProcess.start(HANGING, None) as worker:
        child = worker.ask("open", 30)
        assert runs(child)
        with pytest.raises(HostError, match="did not finish"):
            worker.ask("apply", 0.2)
    assert wait_until_gone(child)


def test_a_failure_in_the_block_ends_the_worker_with_its_children():
    children = []

    def fail_inside():
        with GuestProcess.start(HANGING, None) as worker:
            children.append(worker.ask("open", 30))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_inside()
    assert wait_until_gone(children[0])


def test_the_worker_sees_none_of_our_settings_and_a_short_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("IMGPIPE_ROOT_PASSWORD", "secret")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    script = 'printf \'{"ok": ["%s", "%s"]}\\n\' "$IMGPIPE_ROOT_PASSWORD" "$LIBGUESTFS_TMPDIR"; cat'
    with GuestProcess.start(["/bin/sh", "-c", script], None) as worker:
        password, folder = worker.ask("open", 30)
        assert password == ""
        assert Path(folder).is_dir()
    assert not Path(folder).exists()


def test_what_the_worker_says_beside_its_answers_is_in_the_log(tmp_path):
    log = tmp_path / "sysprep.log"
    with GuestProcess.start(["/bin/sh", "-c", "echo trouble >&2; echo '{\"ok\": 1}'; cat"], log) as worker:
        worker.ask("open", 30)
    assert log.read_text() == "trouble\n"
