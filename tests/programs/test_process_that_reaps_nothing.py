"""A process 1 that takes no note of processes that end, as in a container without init."""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from imgpipe.adapters import reaper
from imgpipe.errors import HostError
from imgpipe.host.doctor import reaping

pytestmark = pytest.mark.programs
URI = "qemu:///system"
# As process 1: what it starts asks, and what is left to it stays.
INIT = """
import os, sys, time
os.spawnvp(os.P_NOWAIT, sys.executable, [sys.executable, "-c", sys.argv[1]])
while not os.path.exists(sys.argv[2]):
    time.sleep(0.05)
"""
ASKED = """
import os
from imgpipe.adapters import reaper
reaper._PATIENCE_S = 0.5
found = [reaper.left_orphan(), reaper.left_orphan()]
with open({said!r} + ".new", "w") as file:
    print(*(f"{{one.parent}} {{one.pid}}" if one else "none" for one in found), file=file)
os.rename({said!r} + ".new", {said!r})
"""


def under(init: list[str], said: Path) -> list[str]:
    asked = ASKED.format(said=str(said))
    argv = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", *init, asked, str(said)]
    subprocess.run(argv, check=True, timeout=120)
    return said.read_text().split()


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="only root makes namespaces")
def test_one_that_reaps_nothing_is_found_and_what_it_has_already_is_proof_enough(tmp_path):
    said = under([sys.executable, "-c", INIT], tmp_path / "said")
    assert said[0] == said[2] == "1"
    # The second look started nothing.
    assert said[1] == said[3]


def test_one_that_reaps_is_well():
    if Path("/proc/1/comm").read_text().strip() in {"sleep", "tail", "python3"}:
        pytest.skip("this container has no init")
    assert reaper.left_orphan() is None
    assert [finding.state for finding in reaping.find()] == ["ok"]


def test_doctor_says_what_it_means_and_what_mends_it():
    found = reaping.judge(reaper.Zombie(pid=7, parent=1, program="sleep"))
    assert found.state == "warn"
    assert "Process 1 ('sleep') takes no note of processes that end." in found.meaning
    assert "docker run --init" in found.meaning


@pytest.fixture
def proc(tmp_path, monkeypatch):
    """A /proc in which process 1 is 'sleep'."""
    monkeypatch.setattr(reaper, "_PROC", tmp_path)

    def add(pid, name, state, parent):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "stat").write_text(f"{pid} ({name}) {state} {parent} 0 0\n")

    add(1, "sleep", "S", 0)
    return add


def wait(notes, uri=URI):
    """End a machine, which lasts until something was said."""
    with reaper.waited_for("web-01", uri, notes.append):
        for thread in threading.enumerate():
            if isinstance(thread, threading.Timer):
                thread.join()


def fail(error):
    """End a machine in vain."""
    with reaper.waited_for("web-01", URI, print):
        raise error


def test_a_wait_for_a_qemu_that_ended_says_so_after_the_first_seconds(proc, monkeypatch):
    monkeypatch.setattr(reaper, "_SILENT_S", 0.0)
    proc(40, "qemu-system-x86", "S", 1)
    proc(41, "qemu (system) x", "Z", 1)
    proc(42, "qemu-system-x86", "Z", 1)
    notes = []
    wait(notes)
    assert [(note.text, note.warning) for note in notes] == [
        (
            "Still waiting for libvirt to end 'web-01', for minutes maybe: its QEMU, process 42, has ended, but "
            "process 1 ('sleep') takes no note of processes that end.",
            True,
        )
    ]


def test_a_wait_whose_reason_is_not_known_says_that_it_waits(proc, monkeypatch):
    monkeypatch.setattr(reaper, "_SILENT_S", 0.0)
    proc(42, "qemu-system-x86", "S", 1)
    notes = []
    wait(notes)
    assert [(note.text, note.warning) for note in notes] == [("Still waiting for libvirt to end 'web-01'.", False)]


def test_what_ends_at_once_says_nothing():
    notes = []
    with reaper.waited_for("web-01", URI, notes.append):
        pass
    assert notes == []


def test_an_end_that_fails_for_it_is_told_as_what_it_is_and_no_other(proc):
    gone = HostError("The libvirt daemon does not answer.", hint="Start it.", details=("keepalive timeout",))
    with pytest.raises(HostError, match="does not answer"):
        fail(gone)
    proc(42, "qemu-system-x86", "Z", 1)
    with pytest.raises(HostError, match="cannot end the machine 'web-01': its QEMU, process 42, has ended") as told:
        fail(gone)
    assert "docker run --init" in told.value.hint
    assert told.value.details == ("keepalive timeout",)


def test_nothing_is_said_of_another_hosts_processes(proc, monkeypatch):
    monkeypatch.setattr(reaper, "_SILENT_S", 0.0)
    proc(42, "qemu-system-x86", "Z", 1)
    notes = []
    wait(notes, uri="qemu+ssh://far/system")
    assert notes == []
