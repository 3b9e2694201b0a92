"""What a line means."""

import pytest

from imgpipe.os_family import Console, Phase, Proof, Trouble
from imgpipe.watch.boot import BOOT, NO_PROOF
from imgpipe.watch.classify import Asked, Classifier, Failed, Proven, Reached

CONSOLE = Console(
    phases=(
        Phase(pattern=r"Installing boot loader", label="boot loader", percent=82),
        Phase(pattern=r"Installing \S+ \((?P<done>\d+)/(?P<total>\d+)\)", label="packages", percent=20, until=70),
    ),
    troubles=(
        Trouble(pattern=r"line (?P<line>\d+) of (?P<file>\S+) is wrong", reason="Line {line} of {file}: {unknown}."),
        Trouble(pattern=r"Traceback", reason="It crashed."),
    ),
    waiting=(Trouble(pattern=r"Press ENTER to (?P<what>\w+)", reason="It waits for ENTER to {what}."),),
    benign=(r"^Please insert",),
)
PROOF = Proof(console="INSTALL-OK", failure="INSTALL-BAD", file="/x", content="x")


def meaning(line: str, source="console"):
    return Classifier(CONSOLE, PROOF).read(line, source)


def test_a_phase_with_counts_runs_from_its_percent_to_its_end():
    assert meaning("Installing a.x86_64 (50/100)") == Reached(label="packages", percent=45, done=50, total=100)
    assert meaning("Installing boot loader") == Reached(label="boot loader", percent=82)


def test_counts_that_cannot_be_true_do_no_harm():
    assert meaning("Installing a (7/0)") == Reached(label="packages", percent=20)
    assert meaning(f"Installing a ({'9' * 5000}/1)") == Reached(label="packages", percent=20)
    assert meaning("Installing a (9/3)") == Reached(label="packages", percent=70, done=9, total=3)


def test_a_reason_is_filled_with_the_lines_own_words():
    found = meaning("error: line 7 of ks.cfg is wrong")
    assert found == Failed(reason="Line 7 of ks.cfg: {unknown}.", line="error: line 7 of ks.cfg is wrong")


def test_the_proof_is_a_whole_line_on_the_console_and_nothing_else():
    assert meaning("INSTALL-OK") == Proven()
    assert meaning("+ echo INSTALL-OK") is None
    assert meaning("INSTALL-OK", "log") is None


def test_the_answer_files_own_failure_mark_is_failure_in_either_place():
    assert isinstance(meaning("+ INSTALL-BAD at 3"), Failed)
    assert isinstance(meaning("INSTALL-BAD", "log"), Failed)


def test_a_benign_line_is_never_trouble():
    assert meaning("Please insert a Traceback") is None


def test_a_question_is_known_before_its_line_ends():
    assert isinstance(meaning("Press ENTER to quit"), Asked)
    assert isinstance(Classifier(CONSOLE, PROOF).peek("Press ENTER to quit"), Asked)
    assert Classifier(CONSOLE, PROOF).peek("Installing boot loader") is None
    assert Classifier(CONSOLE, PROOF).peek("") is None


def test_a_panic_is_failure_for_every_system():
    found = meaning("[ 1.0] Kernel panic - not syncing: VFS: Unable to mount root fs")
    assert isinstance(found, Failed)
    assert found.reason == "The guest's kernel panicked: VFS: Unable to mount root fs"


def test_a_line_that_a_narrow_terminal_cut_is_read_whole():
    classifier = Classifier(CONSOLE, PROOF)
    whole = "x" * 75 + "Installing boot loader"
    assert classifier.read(whole[:80]) is None
    assert classifier.read(whole[80:]) == Reached(label="boot loader", percent=82)
    assert classifier.read(whole[80:]) is None


@pytest.mark.parametrize(
    ("line", "device"),
    [
        ("[ TIME ] Timed out waiting for device dev-vdb1.device - /dev/vdb1.", "/dev/vdb1"),
        # As a Debian 13 on a terminal of 80 columns shortens it, and as its journal has it.
        ("[ TIME ] Timed out waiting for device dev-d\u2026e - /dev/disk/by-label/data.", "/dev/disk/by-label/data"),
        (
            r"systemd[1]: dev-disk-by\x2dlabel-data.device: Job dev-disk-by\x2dlabel-data.device/start timed out.",
            "/dev/disk/by-label/data",
        ),
        ("[ TIME ] Timed out waiting for device /dev/disk/by-label/data.", "/dev/disk/by-label/data"),
        ("systemd[1]: dev-vda3.device: Job dev-vda3.device/start timed out.", "/dev/vda3"),
        ("ALERT!  UUID=5ae1 does not exist.  Dropping to a shell!", "UUID=5ae1"),
        ("dracut-initqueue[398]: Warning: /dev/mapper/rl-root does not exist", "/dev/mapper/rl-root"),
        ("dracut-initqueue[398]: Warning: Could not boot.", ""),
        ("Found device /dev/vda1.", None),
    ],
)
def test_a_device_that_came_too_late_is_known_in_each_systems_words(line, device):
    assert Classifier(BOOT, NO_PROOF).late_device(line) == device


AFTER = Console(
    phases=(
        Phase(pattern=r"^Setting up", label="set-up", percent=50, until=60, creeps=True),
        Phase(pattern=r"^Late", label="late", percent=70),
    ),
    troubles=(
        Trouble(pattern=r"^ERROR (?P<what>.{1,200})", reason="It failed: {what}"),
        Trouble(pattern=r"^why: (?P<why>.{1,200})", reason="{who} failed: {why}", after=r"^(?P<who>\w{1,9}) failed"),
    ),
)


def classified(*lines, source="console"):
    classifier = Classifier(AFTER, PROOF)
    return [classifier.read(line, source) for line in lines][-1]


@pytest.mark.parametrize("between", [(), ("a", "b"), tuple(f"[   1.{n}] noise" for n in range(9))])
def test_a_line_that_counts_after_another_is_known_with_the_words_of_both(between):
    found = classified("one failed", "two failed", *between, "why: no room")
    assert isinstance(found, Failed)
    assert found.reason == "two failed: no room"


@pytest.mark.parametrize(
    "lines", [("why: x",), ("one failed", "a", "b", "c", "why: x"), ("one failed", "[ 1.0] why: x")]
)
def test_without_that_line_close_before_it_it_means_nothing(lines):
    assert classified(*lines) is None


def test_what_one_source_says_gives_the_other_no_meaning():
    classifier = Classifier(AFTER, PROOF)
    assert classifier.read("one failed", "console") is None
    assert classifier.read("why: x", "log") is None


def test_a_reason_that_a_narrow_terminal_cut_is_made_whole_by_the_next_line():
    classifier = Classifier(AFTER, PROOF)
    whole = f"ERROR {'x' * 74}the end"
    first, second = classifier.read(whole[:80]), classifier.read(whole[80:])
    assert isinstance(first, Failed)
    assert isinstance(second, Failed)
    assert (first.general, second.general) == (True, False)
    assert second.reason == f"It failed: {'x' * 74}the end"


def test_a_reason_of_the_width_of_no_terminal_is_final():
    assert classified("ERROR " + "x" * 73).general is False
