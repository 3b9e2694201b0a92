"""Every misbehaviour that the stand-in can show ends the build with its reason, and leaves nothing behind."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from command import Command, wait_until_gone

pytestmark = pytest.mark.vm

# What the error's first line must say; the exit code is always 4: the guest failed.
FAULTS = {
    "question": r"waits|asks|question|selection",
    "pane-dead": r"died|dead",
    "poweroff": r"without|proof|switched",
    "panic": r"panic",
    # rd.emergency=poweroff, as imgpipe boots installers, makes a power-off of the emergency shell.
    "emergency": r"emergency|switched itself off",
    "storage": r"storage|lay out the disk|space",
    "package": r"package",
    "script": r"script",
    "ks-missing": r"kickstart|waits for a device",
    "silent": r"silent|idle|nothing|activity|stands still",
}
RECIPE = """
os = "demo"
[machine]
# Several run at once, and each computes in one thread.
cpus = 1
memory = "1536 MiB"
disk = "4 GiB"
[disk]
swap = 0
boot = "512 MiB"
[install]
kernel_arguments = ["standin.fault={fault}"]
"""
# Two at a time: the machine the tests are planned for has two cores.
_AT_ONCE = 2


@pytest.fixture(scope="module")
def builds(data, stand_in, tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults")
    turn = threading.Lock()

    def build(fault):
        path = folder / f"{fault}.toml"
        path.write_text(RECIPE.format(fault=fault))
        with turn:
            command = Command(data, "build", str(path), "--json")
        command.wait()
        return command

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        # The silent one only waits, so it is started first and runs beside the others.
        futures = {fault: pool.submit(build, fault) for fault in ("silent", *(set(FAULTS) - {"silent"}))}
        return {fault: future.result() for fault, future in futures.items()}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_ends_the_build_with_its_reason(fault, builds, data):
    build = builds[fault]
    assert build.process.returncode == 4, build.stderr
    first = build.stderr.strip().splitlines()[0]
    assert re.search(FAULTS[fault], first, re.IGNORECASE), build.stderr
    folder = Path(re.search(r"in '([^']+)'", build.stderr)[1])
    assert (folder / "console.log").stat().st_size > 0
    assert not (folder / "installed.qcow2").exists()
    assert not list(folder.glob("*.partial"))
    if fault not in {"poweroff", "emergency", "ks-missing"}:
        # These switch the machine off at once, so nothing may be left to take a picture of.
        assert (folder / "screenshot.png").read_bytes().startswith(b"\x89PNG")


def test_no_machine_is_left(builds, data):
    wait_until_gone(data)
