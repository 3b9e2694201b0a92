"""How subiquity's console is read, and how a medium is recognised."""

from __future__ import annotations

import re
import string

import pytest

from imgpipe_ubuntu.console import CONSOLE
from imgpipe_ubuntu.systems import JAMMY, NOBLE
from installer_words import judged, patterns_needed, reason


def found(patterns, line):
    return [item for item in patterns if re.search(item.pattern, line)]


def test_every_pattern_compiles_and_every_reason_uses_its_own_groups():
    for trouble in (*CONSOLE.troubles, *CONSOLE.waiting):
        groups = re.compile(trouble.pattern).groupindex
        used = {name for _, name, _, _ in string.Formatter().parse(trouble.reason) if name}
        assert used <= set(groups)
    assert all(re.compile(pattern) for pattern in CONSOLE.benign)


def test_progress_only_grows():
    percents = [phase.percent for phase in CONSOLE.phases]
    assert percents == sorted(percents)
    assert percents[-1] < 100


@pytest.mark.parametrize(
    ("line", "label"),
    [
        ("waiting for cloud-init...  -", "Reading the answers"),
        (
            "start: subiquity/Install/install/curtin_install/run_curtin_step: executing curtin install extract step",
            "Unpacking the system",
        ),
        ("start: cmd-install/stage-partitioning/builtin/cmd-block-meta: curtin command block-meta", "Partitioning"),
        ("start: subiquity/Install/install/postinstall: final system configuration", "Finishing the system"),
        ("start: subiquity/Late/run_user_supplied/command_0: mkdir -p /x", "Running the late commands"),
        ("start: subiquity/Shutdown/shutdown: mode=POWEROFF", "Shutting down"),
    ],
)
def test_a_line_of_the_installer_is_progress_and_no_trouble(line, label):
    assert label in [phase.label for phase in found(CONSOLE.phases, line)]
    assert not found(CONSOLE.troubles, line)
    assert not found(CONSOLE.waiting, line)


# As the client prints them from its first moment on: the whole journal of events, oldest first (subiquity noble).
EVENTS = [
    ("waiting for cloud-init...  -", 8),
    ("start: subiquity/Meta/status_GET: ", None),
    ("start: subiquity/Reporting/load_autoinstall_data", None),
    ("finish: subiquity/Reporting/load_autoinstall_data", None),
    ("start: subiquity/Error/load_autoinstall_data", None),
    ("start: subiquity/Late/load_autoinstall_data", None),
    ("start: subiquity/Shutdown/load_autoinstall_data", None),
    ("start: subiquity/Early/load_autoinstall_data", None),
    ("start: subiquity/Filesystem/load_autoinstall_data", None),
    ("start: subiquity/load_autoinstall_config", None),
    ("warning: subiquity/load_autoinstall_config: Unrecognized top-level key 'x'", None),
    ("start: subiquity/Early/run", 10),
    ("start:  subiquity/Early/run/command_0: true", 10),
    ("start: subiquity/Filesystem/_probe/probe_once: restricted=False", 12),
    ("start: subiquity/Late/apply_autoinstall_config", None),
    ("start: subiquity/Shutdown/apply_autoinstall_config", None),
    ("start: subiquity/Install/install/configure_apt: configuring apt", 15),
    (
        "start: subiquity/Install/install/curtin_install/run_curtin_step: executing curtin install partitioning step",
        18,
    ),
    ("start: subiquity/Install/install/curtin_install/run_curtin_step: executing curtin install extract step", 22),
    ("start: subiquity/Install/install/curtin_install/run_curtin_step: executing curtin install curthooks step", 50),
    ("start: subiquity/Install/install/postinstall: final system configuration", 80),
    ("start:   subiquity/Install/install/postinstall/install_vim: installing vim", 82),
    ("start:   subiquity/Install/install/postinstall/configure_cloud_init: configuring cloud-init", 88),
    ("start: subiquity/Late/run", 93),
    ("start: subiquity/Late/run/command_0: mkdir -p /run/x", 93),
    ("start: subiquity/Shutdown/copy_logs_to_target", 99),
    ("start: subiquity/Shutdown/shutdown: mode=POWEROFF", 99),
]
FAILURES = [
    (
        "[    5.0] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
        "panicked: VFS: Unable",
    ),
    ("Unable to find a live file system on the network", "live system was not found"),
    ("You are in emergency mode. After logging in", "emergency mode"),
    ("[   90.1] Out of memory: Killed process 1200 (python3)", "out of memory"),
    ("An error occurred. Press enter to start a shell", "stopped at an error"),
    ("Malformed autoinstall in 'storage' section", "refuses the section 'storage'"),
    ("Malformed autoinstall", "refuses the autoinstall document."),
    ("error:  subiquity/load_autoinstall_config/core_validation: Unrecognized top-level key 'x'", "top-level key 'x'"),
    ("autoinstall config did not create needed bootloader partition", "did not create needed bootloader"),
    ("Exception: autoinstall config did not mount root", "did not mount root"),
    ("finish: subiquity/Install/install: FAIL: installing system", "A step of the installer failed."),
    ("no identity data provided", "neither 'identity' nor"),
    ("generating crash report", "crashed"),
]


def test_the_events_of_a_whole_installation_are_its_progress():
    said, percents = judged(CONSOLE, "\n".join(line for line, _ in EVENTS))
    assert said is None
    assert percents == [percent for _, percent in EVENTS if percent is not None]


@pytest.mark.parametrize(("line", "said"), FAILURES)
def test_a_failure_is_recognised(line, said):
    assert said in (reason(CONSOLE, line) or "")
    assert patterns_needed(CONSOLE, line)


def test_every_pattern_of_a_failure_has_a_text():
    needed = {pattern for line, _ in FAILURES for pattern in patterns_needed(CONSOLE, line)}
    assert needed == {trouble.pattern for trouble in CONSOLE.troubles}


@pytest.mark.parametrize("line", ["Continue with autoinstall? (yes|no)", "(initramfs) ", "ubuntu-server login: "])
def test_a_question_is_recognised(line):
    assert found(CONSOLE.waiting, line)


def test_a_medium_is_recognised_by_its_release():
    info = 'Ubuntu-Server 24.04.1 LTS "Noble Numbat" - Release amd64 (20240827)'
    assert re.match(NOBLE.system.identity.disk_info, info)
    assert re.match(NOBLE.system.identity.volume_id, "Ubuntu-Server 24.04.1 LTS amd64")
    assert not re.match(JAMMY.system.identity.disk_info, info)
    assert not re.match(NOBLE.system.identity.disk_info, info.replace("Server", "Desktop").replace("Ubuntu-", "X-"))
    assert not re.match(NOBLE.system.identity.disk_info, info.replace("amd64", "arm64"))
