"""The guest's report is data of a stranger."""

import base64
import hashlib
import subprocess
from pathlib import Path

import pytest

from imgpipe.offline_edits import Symlink, WriteFile
from imgpipe.os_family import Check
from imgpipe.stages.verify_guest import FACTS, steps
from imgpipe.stages.verify_report import LONGEST_REPORT, parse_report

CHECKS = (Check(name="first", script="true"), Check(name="second", script="true"))


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def report(*lines: str, end: bool = False):
    said = "".join(f"{line}\n" for line in lines).encode()
    closing = f"end {len(lines)} {hashlib.sha256(said).hexdigest()}\n".encode() if end else b""
    return parse_report(said + closing, CHECKS)


def test_a_whole_report_is_read():
    told = report(
        f"state {b64('running')}",
        f"fact 0000 {b64('Rocky Linux 9.7')}",
        "check 0000 0 ",
        f"check 0001 1 {b64('no such file')}",
        end=True,
    )
    assert (told.state, told.complete, told.whole, told.reported) == ("running", True, True, 2)
    assert told.facts == (("system", "Rocky Linux 9.7"),)
    assert [(result.name, result.passed, result.output) for result in told.results] == [
        ("first", True, ""),
        ("second", False, "no such file"),
    ]


def test_a_check_without_a_report_has_failed():
    told = report("check 0000 0 ", end=True)
    assert [result.passed for result in told.results] == [True, False]
    assert "did not report" in told.results[1].output


def test_a_report_cut_short_is_not_complete():
    assert not report("check 0000 0 ", "check 0001 0 ").complete


@pytest.mark.parametrize(
    ("lost", "put"), [(b"check 0001 0 \n", b""), (b"check 0000 0 ", b"check 0000 1 "), (b"", b"junk\n")]
)
def test_a_report_of_which_something_was_lost_or_changed_on_its_way_is_not_whole(lost: bytes, put: bytes):
    said = b"check 0000 0 \ncheck 0001 0 \n"
    end = f"end 2 {hashlib.sha256(said).hexdigest()}\n".encode()
    assert parse_report(said + end, CHECKS).whole
    damaged = parse_report((said.replace(lost, put, 1) if lost else put + said) + end, CHECKS)
    assert (damaged.complete, damaged.whole) == (True, False)


def test_the_first_word_counts_so_that_a_check_cannot_be_talked_right_later():
    told = report(f"check 0000 1 {b64('no')}", "check 0000 0 ", end=True)
    assert not told.results[0].passed


@pytest.mark.parametrize("line", ["check 0099 0 ", "check 0000 0", "check -001 0 ", "fact 9999 eA==", "END", "end"])
def test_what_is_no_line_of_a_report_is_passed_over(line):
    told = report(line)
    assert (told.facts, told.reported, told.complete, told.state) == ((), 0, False, "")


def test_output_is_plain_text_and_bad_base64_is_none():
    told = report(
        f"check 0000 1 {b64(chr(27) + '[31mred' + chr(27) + '[0m' + chr(0x202E))}", "check 0001 1 x", end=True
    )
    assert told.results[0].output == "[31mred[0m"
    assert told.results[1].output == ""


def test_a_flood_is_cut():
    flood = b"check 0000 1 " + b"A" * (LONGEST_REPORT * 2) + b"\nend 1 " + b"0" * 64 + b"\n"
    told = parse_report(flood, CHECKS)
    assert told.reported == 0
    assert not told.complete


def test_a_check_that_took_too_long_says_so():
    assert report("check 0000 124 ").results[0].output == "it did not end in time"


def test_the_guest_gets_each_check_as_a_file_and_a_unit_that_the_boot_starts():
    found = steps(CHECKS)
    files = {step.path: step for step in found if isinstance(step, WriteFile)}
    assert files["/etc/imgpipe-verify/checks/0001"].content == "true"
    assert "Type=simple" in files["/etc/systemd/system/imgpipe-verify.service"].content
    (link,) = (step for step in found if isinstance(step, Symlink))
    assert link.path == "/etc/systemd/system/multi-user.target.wants/imgpipe-verify.service"
    assert len(files) == len(FACTS) + len(CHECKS) + 2


def test_the_overlay_of_an_emulated_machine_waits_longer_and_that_of_kvm_does_not():
    path = "/etc/systemd/system.conf.d/zz-imgpipe-emulated.conf"
    emulated = {step.path: step for step in steps(CHECKS, "tcg") if isinstance(step, WriteFile)}
    assert emulated[path].content == "[Manager]\nDefaultTimeoutStartSec=600\nDefaultDeviceTimeoutSec=600\n"
    assert path not in {step.path for step in steps(CHECKS, "kvm")}
    assert len(emulated) == len(FACTS) + len(CHECKS) + 3


@pytest.mark.programs
def test_the_guests_scripts_are_sound_shell(tmp_path: Path):
    for step in steps(CHECKS):
        if isinstance(step, WriteFile) and "systemd" not in step.path:
            script = tmp_path / "script"
            script.write_text(step.content)
            done = subprocess.run(["sh", "-n", script], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
