"""Every misbehaviour that the stand-in can show ends the build with its reason, and leaves nothing behind."""

import re
from pathlib import Path

import pytest

import long_builds
from command import wait_until_gone
from long_builds import FAULTS, FAULTY

pytestmark = pytest.mark.vm


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_ends_the_build_with_its_reason(fault):
    build = long_builds.ended(fault)
    assert build.code == 4, build.stderr
    first = build.stderr.strip().splitlines()[0]
    assert re.search(FAULTS[fault], first, re.IGNORECASE), build.stderr
    folder = Path(re.search(r"in '([^']+)'", build.stderr)[1])
    assert (folder / "console.log").stat().st_size > 0
    assert not (folder / "installed.qcow2").exists()
    assert not list(folder.glob("*.partial"))
    if fault not in {"poweroff", "emergency", "ks-missing"}:
        # These switch the machine off at once, so nothing may be left to take a picture of.
        assert (folder / "screenshot.png").read_bytes().startswith(b"\x89PNG")


def test_no_machine_is_left():
    for fault in FAULTS:
        long_builds.ended(fault)
    wait_until_gone(FAULTY)
