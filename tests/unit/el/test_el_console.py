"""What the installer's lines mean."""

import re

import pytest

from imgpipe_el.console import CONSOLE

PHASES = [
    ("Loading Rocky Linux 9.7 x86_64 installer...", 1),
    ("Starting installer, one moment...", 3),
    ("anaconda 34.25.7.19-1.el9.rocky.0.1 for Rocky Linux 9.7 started.", 3),
    ("Starting automated install....", 5),
    ("imgpipe: the kickstart was read", 4),
    ("Checking storage configuration...", 7),
    ("Setting up the installation environment", 10),
    ("Running pre-installation scripts", 4),
    ("Running pre-installation tasks", 14),
    ("imgpipe: the disk is ready", 15),
    ("Installing.", 16),
    ("Installing the software", 16),
    ("Installing bash.x86_64 (100/400)", 17),
    ("Performing post-installation setup tasks", 76),
    ("Verifying zlib.x86_64 (12/400)", 76),
    ("Installing boot loader", 82),
    ("Writing network configuration", 85),
    ("Generating initramfs", 90),
    ("Running post-installation scripts", 95),
    ("imgpipe: the packages are installed", 96),
    ("IMGPIPE-INSTALL-OK 0123456789abcdef", 100),
]
TROUBLES = [
    ("Fatal glibc error: CPU does not support x86-64-v2", "older than x86-64-v2"),
    ("Kernel panic - not syncing: Attempted to kill init! exitcode=0x00007f00", "panicked: Attempted to kill init!"),
    ("dracut-initqueue[512]: Warning: dracut-initqueue timeout - starting timeout scripts", "does not come"),
    ("The following problem occurred on line 17 of the kickstart file:", "line 17"),
    ("There was an error running the kickstart script at line 61.  This is a fatal error", "script at line 61"),
    ("Pane is dead", "died"),
    ("Your BIOS-based system needs a special partition to boot from a GPT disk label.", "biosboot"),
    ("storage configuration failed: not enough free space on disks", "cannot lay out"),
    ("Some packages, groups or modules are missing.", "are missing"),
    ("Found no CD-ROM", "no packages"),
    ("Rocky Linux requires 1280 MB of memory to install, but you only have 1024 MB", "1280 MB"),
    ("Traceback (most recent call last):", "crashed"),
    ("Out of memory: Killed process 1700 (anaconda)", "out of memory"),
]
HARMLESS = [
    "mount: /run/install/repo: no suitable images",
    "watchdog: BUG: soft lockup - CPU#1 stuck for 23s! [anaconda:1700]",
    " Call Trace:",
    "imgpipe: the settings are written",
    "[  OK  ] Reached target Basic System.",
]


def matching(entries, line):
    return [entry for entry in entries if re.search(entry.pattern, line)]


@pytest.mark.parametrize(("line", "percent"), PHASES)
def test_progress_is_recognised(line, percent):
    (phase,) = matching(CONSOLE.phases, line)
    assert phase.percent == percent


def test_packages_are_counted():
    (phase,) = matching(CONSOLE.phases, "Installing bash.x86_64 (100/400)")
    match = re.search(phase.pattern, "Installing bash.x86_64 (100/400)")
    assert (match["done"], match["total"], phase.until) == ("100", "400", 75)


def test_percentages_only_rise():
    percents = [phase.percent for phase in CONSOLE.phases]
    assert percents == sorted(percents)
    assert all(phase.until is None or phase.percent < phase.until <= 100 for phase in CONSOLE.phases)


@pytest.mark.parametrize(("line", "reason"), TROUBLES)
def test_failure_is_recognised_and_said_in_a_sentence(line, reason):
    trouble = matching(CONSOLE.troubles, line)[0]
    said = trouble.reason.format(**re.search(trouble.pattern, line).groupdict())
    assert reason in said


@pytest.mark.parametrize("line", [line for line, _ in PHASES] + HARMLESS)
def test_ordinary_lines_are_no_failure(line):
    assert matching(CONSOLE.troubles, line) == []


@pytest.mark.parametrize("line", HARMLESS[:3])
def test_known_noise_is_benign(line):
    assert any(re.search(pattern, line) for pattern in CONSOLE.benign)


@pytest.mark.parametrize(
    "line",
    [
        "Please make a selection from the above ['c' to continue, 'q' to quit, 'r' to refresh]:",
        "Press ENTER to continue:",
        "Please insert CDROM containing '/ks.cfg'...",
    ],
)
def test_questions_are_waiting_and_not_failure_yet(line):
    assert matching(CONSOLE.waiting, line)
    assert not matching(CONSOLE.troubles, line)


def test_the_log_channel_is_anacondas():
    assert CONSOLE.log_channel == "org.fedoraproject.anaconda.log.0"
