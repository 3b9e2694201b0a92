"""What QEMU said is told apart from what libvirt wrote around it."""

import pytest

from imgpipe.adapters.qemu_log import last_words

RUN = """2026-11-22 21:15:28.653+0000: starting up libvirt version: 11.3.0, qemu version: 10.0.2, hostname: vm
LC_ALL=C \\
PATH=/usr/bin \\
/usr/bin/qemu-system-x86_64 \\
-name guest=one \\
-msg timestamp=on
{said}2026-11-22 21:28:14.616+0000: shutting down, reason={reason}
"""


@pytest.fixture
def log(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = tmp_path / "libvirt/qemu/log/one.log"
    path.parent.mkdir(parents=True)
    return path


def test_only_the_last_run_is_told(log):
    log.write_text(RUN.format(said="old\n", reason="shutdown") + RUN.format(said="an assertion\n", reason="crashed"))
    said, end = last_words("qemu:///session", "one")
    assert said == "an assertion"
    assert end.endswith("reason=crashed")


def test_control_characters_are_left_out(log):
    log.write_text(RUN.format(said="\x1b[31mred\n", reason="crashed"))
    assert last_words("qemu+unix:///session?socket=/x/libvirt-sock", "one")[0] == "[31mred"


def test_no_more_than_the_end_is_told(log):
    log.write_text(RUN.format(said="line\n" * 100, reason="crashed"))
    assert len(last_words("qemu:///session", "one")) == 10


def test_a_log_that_is_not_there_tells_nothing(log):
    assert last_words("qemu:///session", "two") == ()
