"""`imgpipe doctor --deep` boots what it speaks of, and what it found is remembered."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from imgpipe.adapters.hypervisor import connect
from private_libvirt import lacking, private_libvirt

pytestmark = [pytest.mark.vm, pytest.mark.appliance, pytest.mark.skipif(bool(lacking()), reason=lacking())]

IMGPIPE = (sys.executable, "-c", "from imgpipe.cli.main import main; main()")


def doctor(uri, data, *options):
    argv = [*IMGPIPE, "--connect", uri, "doctor", "--json", *options]
    env = {**os.environ, "IMGPIPE_HOME": str(data)}
    done = subprocess.run(argv, capture_output=True, text=True, env=env, timeout=1800, check=False)
    return {one["name"]: one for one in json.loads(done.stdout)["findings"]}


def kvm_boots_a_kernel():
    """Boot the host's own kernel by bare QEMU: the appliance needs one that can be read as well."""
    kernel = sorted(Path("/boot").glob("vmlinuz-*"))[-1]
    argv = ["qemu-system-x86_64", "-accel", "kvm", "-cpu", "host", "-m", "512", "-nodefaults", "-display", "none"]
    argv += ["-kernel", str(kernel), "-append", "console=ttyS0 panic=-1", "-no-reboot", "-serial", "stdio"]
    try:
        # A QEMU that aborts would leave its core here.
        argv = ["prlimit", "--core=0", *argv]
        said = subprocess.run(argv, capture_output=True, stdin=subprocess.DEVNULL, timeout=30, check=False).stdout
    except subprocess.TimeoutExpired as error:
        said = error.stdout or b""
    return b"Linux version" in said


def test_a_machine_and_an_appliance_boot_and_the_answer_is_remembered(tmp_path):
    data = tmp_path / "data"
    with private_libvirt() as host:
        before = doctor(host.uri, data)
        deep = doctor(host.uri, data, "--deep")
        after = doctor(host.uri, data)
    assert deep["libguestfs launch"]["state"] == "ok"
    assert "xfs" in deep["libguestfs launch"]["meaning"]
    assert "libguestfs launch" not in before
    if before["accelerator"]["state"] == "unknown":
        assert deep["accelerator"]["state"] == ("ok" if kvm_boots_a_kernel() else "warn")
        assert after["accelerator"]["state"] == deep["accelerator"]["state"]


def cores():
    """The core files of the folder that libvirt's daemons and their machines work in."""
    return {path.name: path.stat().st_mtime_ns for path in Path("/").glob("core*")}


def test_whether_kvm_works_is_found_out_without_a_core_file(monkeypatch):
    monkeypatch.delenv("IMGPIPE_ACCELERATOR", raising=False)
    with private_libvirt() as host:
        before = cores()
        hypervisor = connect(f"qemu:///system?socket={host.socket}" if os.geteuid() == 0 else host.uri, print)
        assert hypervisor.try_accelerator() == ("kvm" if kvm_boots_a_kernel() else "tcg")
        hypervisor.close()
        assert cores() == before
