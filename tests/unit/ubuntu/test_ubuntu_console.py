"""How subiquity's console is read, and how a medium is recognised."""

from __future__ import annotations

import re
import string

import pytest

from imgpipe_ubuntu.console import CONSOLE
from imgpipe_ubuntu.systems import JAMMY, NOBLE


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


@pytest.mark.parametrize(
    "line",
    [
        "[    5.0] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
        "Unable to find a live file system on the network",
        "An error occurred. Press enter to start a shell",
        "Malformed autoinstall in 'storage' section",
        "autoinstall config did not create needed bootloader partition",
        "finish: subiquity/Install/install: FAIL: installing system",
    ],
)
def test_a_failure_is_recognised(line):
    assert found(CONSOLE.troubles, line)


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
