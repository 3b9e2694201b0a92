"""What a hostile guest prints to make its console expensive to read, or what is said of it ugly."""

import re
import time

import pytest

import imgpipe_debian.console
import imgpipe_el.console
import imgpipe_ubuntu.console
import imgpipe_windows.console
from imgpipe.machine_state import MachineState
from imgpipe.watch.boot import BOOT
from imgpipe.watch.classify import Classifier
from imgpipe.watch.console import LONGEST_LINE
from imgpipe.watch.silence import patience
from imgpipe.watch.verdict import Judge, Observation
from installer_words import PROOF, reason

CONSOLES = {
    "el": imgpipe_el.console.CONSOLE,
    "ubuntu": imgpipe_ubuntu.console.CONSOLE,
    "debian": imgpipe_debian.console.CONSOLE,
    "windows": imgpipe_windows.console.CONSOLE,
    "boot": BOOT,
}
FILL = ("x", " ", ".", "/", "9", "a.", "x x", '"', "(1/")


def words(console):
    """Return the literal words that the console's patterns look for."""
    entries = (*console.phases, *console.troubles, *console.waiting)
    patterns = [*(entry.pattern for entry in entries), *(entry.after for entry in console.troubles)]
    found = {
        word for pattern in patterns for word in re.split(r"\\.|\[[^]]*\]|\{[\d,]*\}|\?P<\w*>|[^\w :'/-]", pattern)
    }
    return sorted(word for word in found if len(word) > 2)


@pytest.mark.parametrize("name", CONSOLES)
def test_no_line_takes_long_to_read_whatever_it_is_made_of(name):
    classifier = Classifier(CONSOLES[name], PROOF)
    slowest = ("", 0.0)
    known = words(CONSOLES[name])
    lines = [(word * LONGEST_LINE)[:LONGEST_LINE] for word in known]
    lines += [(word + fill * LONGEST_LINE)[:LONGEST_LINE] for word in known for fill in FILL]
    for line in lines:
        begun = time.process_time()
        classifier.read(line)
        slowest = max(slowest, (line[:80], time.process_time() - begun), key=lambda entry: entry[1])
    # A pattern with two open ends takes 0.1 s and more; all of ours together take some milliseconds.
    assert slowest[1] < 0.06, slowest


@pytest.mark.parametrize(
    "text",
    [
        "Non interactive installation failed: {}",
        "20:10 ERR x: PayloadError: {}",
        "The following problem occurred on line 999999999 of the kickstart file:\n{}",
        "The exact error message is:\n{}",
        "The following mandatory spokes are not completed:\n{}",
        "Error enabling service {}: 1",
        "Invalid value for 'inst.{}'",
    ],
)
@pytest.mark.parametrize("junk", ["A" * 5000, "\x1b[31m\x1b]0;t\x07\u202e\x00A\x9b" * 300, "{why}{line}{0}" * 400])
def test_a_reason_is_short_and_plain_whatever_the_guest_says(text, junk):
    said = reason(CONSOLES["el"], text.format(junk))
    if said is not None:
        assert len(said) < 300
        assert said.isprintable()
        assert said.isascii()


def test_a_flood_of_lines_that_mean_something_is_read_in_a_bounded_time():
    judge = Judge(0.0, Classifier(CONSOLES["el"], PROOF), patience("kvm"), reboots_allowed=True)
    flood = b"The exact error message is:\nConfiguring a.x86_64\n" * 5000
    begun = time.process_time()
    judge.observe(Observation(now=1.0, state=MachineState(situation="running"), console=flood))
    assert time.process_time() - begun < 10
