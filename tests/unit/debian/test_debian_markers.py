"""The markers, against the console of a real installation up to its kernel (shortened, mirror taken out)."""

import re
from pathlib import Path

import pytest

from imgpipe_debian import markers
from imgpipe_debian.console import CONSOLE as CONSOLE_RECORD
from installer_words import patterns_needed, reason

CONSOLE = (Path(__file__).parent / "console-excerpt.txt").read_text()


def hits(patterns, text):
    return [pattern for pattern in patterns if re.search(pattern, text)]


def test_the_phases_come_in_their_order():
    found = [(re.search(phase.pattern, CONSOLE), phase) for phase in markers.PROGRESS]
    seen = [(match.start(), phase.label) for match, phase in found if match]
    assert len(seen) >= 8
    assert seen == sorted(seen)


def test_an_installation_under_way_looks_like_no_failure():
    assert hits(markers.FAILURES, CONSOLE) == []
    assert hits(markers.QUESTIONS, CONSOLE) == []


def test_percents_only_grow():
    percents = [phase.percent for phase in markers.PROGRESS]
    assert percents == sorted(set(percents))


# As the installer's programs and templates spell them (main-menu, cdebconf-text-udeb), not seen in a run.
FAILED = [
    (
        "main-menu[2405]: WARNING **: Configuring 'pkgsel' failed with error code 100",
        "failed with error code 100.",
    ),
    ("main-menu[2405]: WARNING **: Menu item 'pkgsel' failed.", "failed: Menu item 'pkgsel' failed."),
    ("in-target: E: Unable to locate package nosuch", "failed: Unable to locate package nosuch."),
    ("debootstrap: E: Release signed by unknown key", "failed: Release signed by unknown key."),
    ("base-installer: error: exiting on error base-installer/kernel/failed-install", "error base-installer/kernel"),
    ("!! ERROR: Bad archive mirror", "failed: Bad archive mirror."),
    ("IMGPIPE-INSTALL-FAIL step 'user ops' ended with 9", "failed: step 'user ops' ended with 9."),
    ("[!] Installation step failed", "The installer failed."),
    ("Kernel panic - not syncing: VFS", "The installer failed."),
    ("Out of memory: Killed process 100 (apt)", "The installer failed."),
    ("tar: write error: No space left on device", "The installer failed."),
]


@pytest.mark.parametrize(("text", "said"), FAILED)
def test_a_failed_step_is_a_failure_that_is_named(text, said):
    assert said in (reason(CONSOLE_RECORD, f"... 95%{text}") or "")
    assert patterns_needed(CONSOLE_RECORD, f"... 95%{text}")


@pytest.mark.parametrize(
    "text", ["Prompt: '?' for help> ", "Prompt: '?' for help, default=1> ", "[Press enter to continue]"]
)
def test_a_question_is_seen_without_a_line_break(text):
    assert hits(markers.QUESTIONS, text)


def test_success_carries_the_token():
    found = re.search(markers.SUCCESS, "... 95%IMGPIPE-INSTALL-OK word-1234\r\n")
    assert found
    assert found["token"] == "word-1234"


def test_the_reason_of_the_finishing_script_is_kept():
    found = re.search(markers.FAILURES[0], "... 95%IMGPIPE-INSTALL-FAIL step 'user ops' ended with 9\r\n")
    assert found
    assert found["reason"].startswith("step 'user ops'")
