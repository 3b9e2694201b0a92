"""The audit daemon's log: records of public bug reports, and what is none of ours."""

import os

import pytest

from imgpipe.adapters import selinux
from imgpipe.host.doctor import denials

# blueboxgroup/ursula 2612, but for the time; risuorg/risu 170; fedora-selinux/selinux-policy 2948.
CONSOLE = (
    'type=AVC msg=audit(1489418975.073:186): avc:  denied  { append } for  pid=3312 comm="virtlogd" name="console.log"'
    ' dev="dm-0" ino=24510486 scontext=system_u:system_r:virtlogd_t:s0-s0:c0.c1023'
    " tcontext=system_u:object_r:nova_var_run_t:s0 tclass=file"
)
UNLINK = (
    'node=host type=AVC msg=audit(1509018493.996:37841): avc:  denied  { unlink } for  pid=11312 comm="virtlogd"'
    ' name="console.log" dev="dm-2" ino=78 scontext=system_u:system_r:virtlogd_t:s0-s0:c0.c1023'
    " tcontext=system_u:object_r:svirt_image_t:s0:c185,c643 tclass=file"
)
OVERRIDE = (
    'type=AVC msg=audit(1763400000.001:9): avc:  denied  { dac_override } for  pid=37829 comm="virtlockd" capability=1'
    " scontext=system_u:system_r:virtlogd_t:s0-s0:c0.c1023 tcontext=system_u:system_r:virtlogd_t:s0-s0:c0.c1023"
    " tclass=capability permissive=0"
)
OTHERS = (
    'type=AVC msg=audit(1763400000.001:9): avc:  denied  { append } for  pid=1922 comm="rhsmcertd-worke"'
    ' name="rhsm.log" scontext=system_u:system_r:rhsmcertd_t:s0 tcontext=system_u:object_r:unlabeled_t:s0 tclass=file'
)


@pytest.fixture
def found(tmp_path, monkeypatch):
    monkeypatch.setattr(selinux, "enforces", lambda: True)
    (tmp_path / "stat").write_text("cpu 1 2 3\nbtime 1489418000\nprocesses 5\n")

    def judge(*lines):
        (tmp_path / "audit.log").write_text("".join(f"{line}\n" for line in lines))
        return tuple(denials.judge(tmp_path / "audit.log", tmp_path / "stat"))

    return judge


def test_what_was_refused_to_libvirts_daemons_is_told_with_file_and_type(found):
    (told,) = found(CONSOLE, CONSOLE, UNLINK, OVERRIDE, OTHERS)
    assert told.state == "warn"
    assert told.meaning == (
        "Since this host started SELinux refused: virtlogd_t to dac_override the capability '?' of type virtlogd_t; "
        "virtlogd_t to unlink the file 'console.log' of type svirt_image_t; "
        "virtlogd_t to append the file 'console.log' of type nova_var_run_t."
    )
    assert told.commands == ("ausearch -m AVC -ts boot",)


def test_what_is_old_or_only_noted_or_of_others_is_passed_over(found):
    assert found(CONSOLE.replace("1489418975", "1489417999"), OTHERS, f"{CONSOLE} permissive=1", "junk", "") == ()


def test_a_log_that_cannot_be_read_is_not_taken_for_an_empty_one(tmp_path, monkeypatch):
    monkeypatch.setattr(selinux, "enforces", lambda: True)
    (told,) = denials.judge(tmp_path / "none", tmp_path / "stat")
    assert told.state == "unknown"
    assert "sudo ausearch" in told.commands[0]
    monkeypatch.setattr(selinux, "enforces", lambda: False)
    assert not tuple(denials.judge(tmp_path / "none", tmp_path / "stat"))


def test_many_are_counted_and_no_control_character_is_shown(found):
    lines = [CONSOLE.replace("console.log", f"\x1b[31m{number}") for number in range(8)]
    (told,) = found(*lines)
    assert told.meaning.endswith(", and 3 more.")
    assert "7'" in told.meaning, "the latest is what just failed"
    assert "0'" not in told.meaning
    assert "\x1b" not in told.meaning


def test_a_log_that_is_a_pipe_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(selinux, "enforces", lambda: True)
    (tmp_path / "stat").write_text("btime 1\n")
    os.mkfifo(tmp_path / "audit.log")
    assert [found.state for found in denials.judge(tmp_path / "audit.log", tmp_path / "stat")] == ["unknown"]


def test_of_a_long_log_the_end_is_read(found, monkeypatch):
    monkeypatch.setattr(denials, "_MOST_BYTES", 2 * len(CONSOLE))
    assert found(UNLINK, *[OTHERS] * 3) == ()
    assert len(found(*[OTHERS] * 3, CONSOLE)) == 1


def test_a_host_that_does_not_enforce_is_not_looked_at(found, monkeypatch):
    monkeypatch.setattr(selinux, "enforces", lambda: False)
    assert found(CONSOLE) == ()
