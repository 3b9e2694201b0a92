"""imgpipe on a kernel that enforces SELinux: what it does there is refused nothing, and what it once did is refused.

`tests/run selinux` alone runs this: a whole Debian 13 is made and emulated, and its machines once more in it. The
policy is Debian's, the reference policy; that of Enterprise Linux has more rules (docs/hosts-el.md).
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import enforcing_disk
import pytest
from audit_log import type_of

from imgpipe.host.debian_mirror import TornMirrorError

LACKING = enforcing_disk.lacking()
pytestmark = [pytest.mark.vm, pytest.mark.skipif(bool(LACKING), reason=LACKING or "-")]

STEPS = (
    "daemons",
    "doctor",
    "mended",
    "plain",
    "build",
    "deploy",
    "old_console",
    "old_console_permissive",
    "doctor_again",
)
# Bounds the whole run; emulated on two cores it takes four minutes, and ten where others work there too.
_LONGEST_S = 5400
_ARGUMENTS = "root=/dev/vda rw console=ttyS0 security=selinux selinux=1 enforcing=1 panic=-1"
Steps = Mapping[str, Mapping[str, Any]]


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> Steps:
    """Make the host, boot it once, and return what each step told."""
    folder = tmp_path_factory.mktemp("enforcing")
    try:
        host = enforcing_disk.make(folder)
    except TornMirrorError as error:
        pytest.skip(str(error))
    told = _run(host, folder)
    host.disk.unlink()
    for name in STEPS:
        print(f"{name}: {json.dumps(told.get(name, 'did not happen'), indent=1)}")
    return told


def _run(host: enforcing_disk.EnforcingHost, folder: Path) -> Steps:
    port, console = folder / "port", folder / "console"
    argv: list[str | Path] = [
        "qemu-system-x86_64", "-machine", "q35", "-accel", "tcg,thread=multi,tb-size=1024",
        # Without SVM: QEMU can emulate that too, but no guest in a guest comes up in good time by it.
        "-cpu", "max,svm=off", "-smp", "2", "-m", "5120",
        "-display", "none", "-nodefaults", "-no-user-config", "-no-reboot",
        "-kernel", host.kernel, "-initrd", host.initrd, "-append", _ARGUMENTS,
        "-drive", f"file={host.disk},if=virtio,format=raw,cache=unsafe",
        "-chardev", f"file,id=serial,path={console}", "-serial", "chardev:serial",
        "-device", "virtio-serial-pci", "-device", "virtio-rng-pci",
        "-chardev", f"file,id=port,path={port}", "-device", "virtserialport,chardev=port,name=org.imgpipe.ring.0",
    ]  # fmt: skip
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
    try:
        process.wait(_LONGEST_S)
    except subprocess.TimeoutExpired:
        pytest.fail(f"the host did not switch itself off within {_LONGEST_S} s: {_end_of(console)}")
    finally:
        process.kill()
        process.wait(30)
    lines = [json.loads(line) for line in port.read_text().splitlines()]
    assert lines, f"the host switched itself off and told nothing: {_end_of(console)}"
    assert lines[-1] == {"step": "end"}, f"the steps broke off: {_end_of(console)}"
    return {line["step"]: line for line in lines}


def _end_of(console: Path) -> str:
    return console.read_bytes()[-3000:].decode(errors="replace") if console.exists() else "no console"


@pytest.mark.parametrize("name", STEPS)
def test_the_step_was_taken_to_its_end(steps: Steps, name: str) -> None:
    assert "error" not in steps[name], steps[name]["error"]


def test_the_host_is_one_that_confines_libvirt_and_its_log_daemon(steps: Steps) -> None:
    told = steps["daemons"]
    assert told["enforcing"].strip() == "1"
    assert "selinux" in told["models"]
    assert told["ourselves"] == "unconfined_t"
    running = {program: type_of(context) for program, context in told["processes"].items()}
    assert running["libvirtd"] == "virtd_t"
    assert running["virtlogd"] == "virtlogd_t"


def finding(step: Mapping[str, Any], name: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = [one for one in step["found"] if one["name"] == name]
    assert len(found) == 1, step["found"]
    return found[0]


def test_doctor_asks_the_policy_says_what_it_refuses_and_mends_it(steps: Steps) -> None:
    before, after = (finding(steps[name], "SELinux") for name in ("doctor", "mended"))
    assert before["state"] == "fail"
    assert before["fixable"]
    assert "var_lib_t" in before["meaning"]
    assert "virtd_t: relabelfrom of a file" in before["meaning"]
    assert after["state"] == "ok"
    assert "virt_image_t" in after["meaning"]


def kinds(step: Mapping[str, Any]) -> set[tuple[str, ...]]:
    """Return what was refused, whatever the file's name: who, what, and to which kind of object."""
    return {tuple(one[key] for key in ("source", "what", "target", "class")) for one in step["denials"]}


@pytest.mark.parametrize("name", ["build", "deploy"])
def test_machines_are_confined_and_refused_nothing_of_ours(steps: Steps, name: str) -> None:
    """QEMU itself is refused a few things by this policy, with an empty machine of anybody's as well."""
    told = steps[name]
    assert type_of(told["processes"]["qemu-system-x86_64"]) == "svirt_t"
    assert kinds(told) - kinds(steps["plain"]) == set()


def test_the_files_of_machines_have_the_types_of_the_table(steps: Steps) -> None:
    """docs/hosts-el.md has the table; each machine has categories of its own, but for what many share."""
    installing, deployed = (
        {Path(path).name: context.split(":")[2:] for path, context in steps[name]["files"].items()}
        for name in ("build", "deploy")
    )
    own = level_of(steps["build"]["processes"]["qemu-system-x86_64"])
    assert installing["installed.qcow2.partial"] == ["svirt_image_t", *own]
    assert installing["tiny.iso"] == ["virt_content_t", "s0"]
    own = level_of(steps["deploy"]["processes"]["qemu-system-x86_64"])
    assert deployed["ring.qcow2"] == deployed["ring_VARS.fd"] == ["svirt_image_t", *own]
    assert deployed["golden.qcow2"] == ["virt_content_t", "s0"]


def level_of(context: str) -> list[str]:
    """Return the level of a context: 's0', and its categories behind a colon."""
    return context.split(":")[3:]


def test_a_builds_console_is_heard_and_the_build_ends_when_it_is_interrupted(steps: Steps) -> None:
    assert "Linux version" in steps["build"]["console"]
    assert steps["build"]["code"] == 130


def test_a_deployed_machine_runs(steps: Steps) -> None:
    assert steps["deploy"]["state"] == "running"


def test_a_console_that_is_a_file_of_ours_is_refused(steps: Steps) -> None:
    """This is the control: the host must refuse what it is known to refuse."""
    told = steps["old_console"]
    assert told["code"] != 0
    assert "Permission denied" in told["said"]
    assert told["path"] in told["said"]
    assert {one["source"] for one in told["denials"]} == {"virtlogd_t"}
    assert steps["old_console_permissive"]["code"] == 0, steps["old_console_permissive"]["said"]


def test_doctor_tells_what_was_refused(steps: Steps) -> None:
    told = finding(steps["doctor_again"], "SELinux denials")
    assert told["state"] == "warn"
    assert "virtlogd_t to search the dir 'imgpipe' of type virt_image_t" in told["meaning"]
