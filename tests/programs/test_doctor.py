"""`imgpipe doctor` on hosts that are wrong for real: namespaces with broken bridges, disks, devices and sockets."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from forks import shared
from imgpipe.settings import checkout
from os_releases import OS_RELEASES

pytestmark = pytest.mark.programs

# No daemon of this host is asked, and none is started: root's would only be started by a build.
QUIET = "mount -t tmpfs tmpfs /run/libvirt"


def run(words, data, env=None, inside=0):
    environment = {**os.environ, "IMGPIPE_HOME": str(data), **(env or {})}
    return shared().run(words, env=environment, cwd=checkout(), inside=inside)


def doctor_in(script, data, *arguments, env=None, recipe=None):
    """Run doctor after a script of sh, in namespaces that end with it; return its findings by name and exit code."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "--mount", "--net", "true"], check=False).returncode:
        pytest.skip("namespaces cannot be made here")
    quiet = QUIET if Path("/run/libvirt").is_dir() else ":"
    whole = f"set -e; {quiet}; {script}; echo ready; exec cat"
    asked = [*arguments, "doctor", "--json", *([recipe] if recipe else [])]
    words = ["unshare", "--mount", "--net", "sh", "-c", whole]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as namespaces:
        assert "ready\n" in iter(namespaces.stdout.readline, ""), f"'{script}' failed"
        done = run(asked, data, env, inside=namespaces.pid)
    assert done.stdout, done.stderr
    return {one["name"]: one for one in json.loads(done.stdout)["findings"]}, done.returncode


NET = "mount -t sysfs sysfs /sys"


@pytest.mark.parametrize(
    ("script", "state"),
    [
        (":", "warn"),
        ("ip link add br1 type dummy || ip link add br1 type veth", "fail"),
        ("ip link add br1 type bridge", "fail"),
        ("ip link add br1 type bridge; ip link set br1 up", "warn"),
        (
            "ip link add br1 type bridge; ip link set br1 up; ip link add e0 type veth peer name e1; "
            "ip link set e0 master br1",
            "fail",
        ),
        (
            "ip link add br1 type bridge; ip link set br1 up; ip link add e0 type veth peer name e1; "
            "ip link set e0 master br1 up; ip link set e1 up; "
            "for _ in $(seq 100); do [ $(cat /sys/class/net/br1/brif/e0/state) = 3 ] && break; sleep 0.1; done",
            "ok",
        ),
    ],
    ids=["missing", "no bridge", "down", "no port", "port down", "forwarding"],
)
def test_a_bridge_is_judged_as_the_kernel_has_it(tmp_path, script, state):
    found, code = doctor_in(f"{NET}; {script}", tmp_path)
    assert found["bridge br1"]["state"] == state
    assert (code == 3) == (state == "fail")


def test_a_file_system_without_direct_io_fails(tmp_path):
    data = tmp_path / "ram"
    data.mkdir()
    found, code = doctor_in(f"mount -t ramfs ramfs {data}", data)
    assert found["direct I/O"]["state"] == "fail"
    assert code == 3


def test_a_full_disk_fails(tmp_path):
    data = tmp_path / "full"
    data.mkdir()
    script = f"mount -t tmpfs -o size=4m tmpfs {data}; head -c 3M /dev/zero > {data}/filler"
    found, code = doctor_in(script, data)
    assert found["room"]["state"] == "fail"
    assert code == 3


def test_a_fake_kvm_is_found_out_and_fails_where_kvm_was_asked_for(tmp_path):
    if not Path("/dev/kvm").exists():
        pytest.skip("there is no /dev/kvm to put something else over")
    fake = tmp_path / "fake"
    fake.touch()
    found, _ = doctor_in(f"mount --bind {fake} /dev/kvm", tmp_path)
    assert found["accelerator"]["state"] == "warn"
    assert "is not KVM's device" in found["accelerator"]["meaning"]
    asked = {"IMGPIPE_ACCELERATOR": "kvm"}
    found, code = doctor_in(f"mount --bind {fake} /dev/kvm", tmp_path, env=asked)
    assert found["accelerator"]["state"] == "fail"
    assert code == 3


def test_a_libvirt_that_nobody_serves_fails(tmp_path):
    found, code = doctor_in(":", tmp_path, "--connect", f"qemu+unix:///system?socket={tmp_path}/none")
    assert found["libvirt"]["state"] == "fail"
    assert code == 3


@pytest.fixture
def reachable():
    """A folder that anyone can reach: pytest's own cannot be."""
    with tempfile.TemporaryDirectory(prefix="imgpipe-doctor-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_a_folder_that_qemus_user_cannot_enter_is_told_and_can_be_opened(reachable):
    data = reachable / "data"
    data.mkdir(mode=0o700)
    found, _ = doctor_in(":", data)
    if "runs as you" in found["QEMU user"]["meaning"]:
        pytest.skip("libvirt's QEMU has no user of its own here")
    assert found["QEMU user"]["state"] == "warn"
    assert found["QEMU user"]["commands"] == [f"chmod o+x {data}"]
    data.chmod(0o711)
    found, _ = doctor_in(":", data)
    assert found["QEMU user"]["state"] == "ok"


def test_an_access_control_list_for_qemus_user_is_enough(reachable):
    data = reachable / "data"
    data.mkdir(mode=0o700)
    found, _ = doctor_in(":", data)
    user = found["QEMU user"]["meaning"].split("user '")[1].split("'")[0]
    if found["QEMU user"]["state"] == "ok" or not shutil.which("setfacl"):
        pytest.skip("there is no other user, or no setfacl")
    subprocess.run(["setfacl", "-m", f"u:{user}:x", data], check=True)
    found, _ = doctor_in(":", data)
    assert found["QEMU user"]["state"] == "ok"


def doctor(data, *words, **env):
    """Run doctor as it is, with libvirt's test driver; return its findings by name and exit code."""
    done = run(["--connect", "test:///default", "doctor", "--json", *words], data, env)
    assert done.stdout, done.stderr
    return {one["name"]: one for one in json.loads(done.stdout)["findings"]}, done.returncode


def program(folder, name, says):
    """Put a program in front of the host's own."""
    path = folder / name
    path.write_text(f"#!/bin/sh\nprintf '%s\\n' '{says}'\n")
    path.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def test_a_host_without_programs_fails(tmp_path):
    found, code = doctor(tmp_path, PATH=str(tmp_path))
    # libvirt's daemon lies where administrators' programs do, which are found whatever PATH says.
    assert found["QEMU"]["state"] == "fail"
    assert found["TPM"]["state"] == "warn"
    assert code == 3


def test_the_answer_for_programs_has_the_shape_that_the_manual_says(tmp_path):
    done = run(["--connect", "test:///default", "doctor", "--json"], tmp_path)
    told = json.loads(done.stdout)
    assert set(told) == {"ready", "seconds", "findings"}
    assert told["ready"] is (done.returncode == 0)
    assert all(set(one) == {"name", "state", "meaning", "commands", "fixable"} for one in told["findings"])
    assert {one["state"] for one in told["findings"]} <= {"ok", "warn", "fail", "unknown"}


def test_a_qemu_that_is_too_old_to_emulate_is_warned_of_and_stops_what_it_cannot_run(tmp_path):
    path = program(tmp_path, "qemu-system-x86_64", "QEMU emulator version 6.2.0 (Debian)")
    found, _ = doctor(tmp_path, PATH=path, IMGPIPE_ACCELERATOR="tcg")
    assert (found["QEMU"]["state"], found["CPU"]["state"]) == ("warn", "warn")
    assert "QEMU 6.2.0 is too old" in found["QEMU"]["meaning"]
    found, code = doctor(tmp_path, "rocky10", PATH=path, IMGPIPE_ACCELERATOR="tcg")
    assert found["CPU"]["state"] == "fail"
    assert code == 3


def test_a_python_without_libguestfs_fails(tmp_path):
    found, code = doctor(tmp_path, IMGPIPE_GUESTFS_PYTHON=shutil.which("false"))
    assert found["libguestfs"]["state"] == "fail"
    assert code == 3


def test_packages_that_are_not_installed_are_named(tmp_path):
    from imgpipe.host.distribution import this_host

    if this_host().family not in ("debian", "ubuntu"):
        pytest.skip("dpkg-query is asked on Debian and Ubuntu alone")
    found, _ = doctor(tmp_path, PATH=program(tmp_path, "dpkg-query", "xorriso installed"))
    assert found["packages"]["state"] == "warn"
    assert found["packages"]["fixable"]
    assert "'swtpm'" in found["packages"]["meaning"]
    assert "'xorriso'" not in found["packages"]["meaning"]


def test_an_appliance_without_its_parts_does_not_start(tmp_path, monkeypatch):
    from imgpipe.adapters import guest
    from imgpipe.errors import HostError

    try:
        guest.guestfs_python()
    except HostError as error:
        pytest.skip(str(error))
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("LIBGUESTFS_PATH", str(tmp_path / "empty"))
    with pytest.raises(HostError) as caught:
        guest.try_appliance("tcg", tmp_path)
    assert "libguestfs-test-tool" in caught.value.hint
    assert "LIBGUESTFS_PATH" in " ".join(caught.value.details)


def test_a_cpu_that_is_too_low_for_a_recipe_fails_under_kvm(tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("flags\t\t: fpu cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3\n")
    script, env = f"mount --bind {cpuinfo} /proc/cpuinfo", {"IMGPIPE_ACCELERATOR": "kvm"}
    found, _ = doctor_in(script, tmp_path, env=env)
    assert found["CPU"]["state"] == "warn"
    found, code = doctor_in(script, tmp_path, env=env, recipe="rocky10")
    assert found["CPU"]["state"] == "fail"
    assert code == 3


def test_a_fix_is_shown_and_not_done_where_nobody_can_be_asked(tmp_path):
    left = tmp_path / "images" / "demo" / ".partial-x"
    left.mkdir(parents=True)
    done = run(["--connect", "test:///default", "doctor", "--fix"], tmp_path)
    assert done.returncode == 2
    assert "to do: imgpipe images prune --leftovers --yes" in done.stderr
    assert left.is_dir()


def test_a_fix_that_is_agreed_to_is_done(tmp_path):
    left = tmp_path / "images" / "demo" / ".partial-x"
    left.mkdir(parents=True)
    # Without the package manager on its way it installs nothing.
    found, _ = doctor(tmp_path, "--fix", "--yes", PATH=str(tmp_path))
    assert found["leftovers"]["state"] == "ok"
    assert not left.exists()


def test_a_recipe_whose_medium_is_nowhere_fails(tmp_path):
    done = run(["--connect", "test:///default", "doctor", "rocky9", "--json"], tmp_path)
    found = {one["name"]: one["state"] for one in json.loads(done.stdout)["findings"]}
    assert found["medium"] == "fail"
    assert done.returncode == 3


def test_the_leftovers_of_a_killed_build_are_removed_by_the_command_that_doctor_names(tmp_path):
    left = tmp_path / "images" / "demo" / ".partial-x"
    left.mkdir(parents=True)
    command = ("images", "prune", "--leftovers", "--yes")
    done = run(command, tmp_path)
    assert done.returncode == 0, done.stderr
    assert not left.exists()


SETUP = checkout() / "pipeline" / "imgpipe" / "host" / "setup.sh"


def in_setup(script, **options):
    if not shutil.which("bash"):
        pytest.skip("bash is not installed")
    return subprocess.run(
        ["bash", "-c", f". {SETUP}; {script}"], capture_output=True, text=True, check=True, **options
    ).stdout


LISTED = sorted({(system.family, system.release) for system in OS_RELEASES.values() if system.family != "unknown"})


@pytest.mark.parametrize(("family", "release"), LISTED)
def test_setup_reads_the_lists_as_doctor_does(family, release):
    from imgpipe.host.distribution import Distribution

    unset = "absent_packages() { shift; printf '%s\\n' \"$@\"; }; usable_python() { return 1; }"
    unset += f"; this_system() {{ echo {family} {release}; }}"
    listed = in_setup(f'{unset}; missing_packages {family} "${{every_group[@]/python/}}"').splitlines()
    wanted = Distribution(family=family, title="", release=release).used()
    expected = [one.package for one in wanted]
    assert [line.split("\t")[1] for line in listed][: len(expected)] == expected


def test_setup_starts_the_sockets_that_are_off_and_lets_the_user_behind_sudo_in(tmp_path):
    """The host's systemd and groups are played by scripts; the decisions are setup's own."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "--mount", "true"], check=False).returncode:
        pytest.skip("namespaces cannot be made here")
    programs = {
        "systemctl": '[ "$2" = is-enabled ] && exit 1; [ "$2" = is-active ] && exit 3; echo systemctl "$@" >> $LOG',
        "usermod": 'echo usermod "$@" >> $LOG',
        "getent": "exit 0",
    }
    for name, body in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "SUDO_USER": "nobody", "LOG": f"{tmp_path}/log"}
    script = f"mount -t tmpfs tmpfs /run; mkdir -p /run/systemd/system; . {SETUP}"
    script += "; start_units virtqemud.socket virtlogd.socket; join_groups"
    subprocess.run(["unshare", "--mount", "bash", "-euc", script], env=env, check=True, capture_output=True)
    done = (tmp_path / "log").read_text().splitlines()
    enabled = [line.split()[-1] for line in done if "enable --now" in line]
    assert enabled == ["virtqemud.socket", "virtlogd.socket"]
    assert [line for line in done if "usermod" in line] == [
        "usermod -aG libvirt nobody",
        "usermod -aG kvm nobody",
    ]


@pytest.mark.parametrize("system", OS_RELEASES.values(), ids=OS_RELEASES)
def test_setup_tells_families_and_releases_apart_as_doctor_does(tmp_path, system):
    if os.geteuid() != 0 or subprocess.run(["unshare", "--mount", "true"], check=False).returncode:
        pytest.skip("namespaces cannot be made here")
    (tmp_path / "os-release").write_text(system.text)
    rpm = "return 1" if system.deb else "true"
    script = f"mount --bind {tmp_path}/os-release $(readlink -f /etc/os-release); . {SETUP}"
    script += f'; command() {{ case "$*" in "-v rpm") {rpm} ;; *) builtin command "$@" ;; esac; }}; this_system'
    done = subprocess.run(["unshare", "--mount", "bash", "-euc", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [word for word in (system.family, system.release) if word]
