"""Checks that fail for real, on files and folders made for it."""

import os
import socket
import struct
import tempfile
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier

import pytest

from imgpipe.adapters import libvirt_daemon
from imgpipe.adapters.kvm_device import kvm_device
from imgpipe.adapters.posix_acl import may_enter
from imgpipe.errors import HostError
from imgpipe.host.distribution import Distribution
from imgpipe.host.doctor import accelerator, clock, firmware, folders, guestfs, labels, leftovers, media
from imgpipe.host.doctor.finding import Check, Finding
from imgpipe.host.doctor.run import require, run
from imgpipe.images import retire
from imgpipe.media.request import MediumRequest
from imgpipe.os_family import MediumMaker
from imgpipe.recipe import MediumSource
from imgpipe.store import Store, lock

DEBIAN = Distribution(family="debian", title="Debian 13", release="13", codename="trixie")
NOBODY = 65534


def test_a_file_that_pretends_to_be_kvm_is_found_out(tmp_path):
    (tmp_path / "kvm").touch()
    assert kvm_device(tmp_path / "kvm") == "fake"
    assert kvm_device("/dev/null") == "fake"
    assert kvm_device(tmp_path / "none") == "missing"


@contextmanager
def somebody_else():
    """Be nobody for a while, where the tests are run by root, whom no mode keeps out."""
    if os.geteuid() != 0:
        yield
        return
    os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


@pytest.fixture
def reachable():
    """A folder that anyone can reach: pytest's own cannot be."""
    with tempfile.TemporaryDirectory(prefix="imgpipe-doctor-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_a_device_that_may_not_be_opened_is_told_from_one_that_is_not_there(reachable):
    (reachable / "kvm").touch(mode=0o000)
    with somebody_else():
        assert kvm_device(reachable / "kvm") == "closed"
        assert kvm_device(reachable / "none") == "missing"


def test_the_level_of_the_cpu_is_read_from_the_kernels_own_words(tmp_path):
    text = "processor\t: 0\nflags\t\t: fpu cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3 {}\n\nflags\t\t: other\n"
    path = tmp_path / "cpuinfo"
    path.write_text(text.format("hypervisor"))
    assert accelerator.cpu_level(accelerator.cpu_flags(path)) == 2
    assert "other" not in accelerator.cpu_flags(path)
    path.write_text(text.format("abm avx avx2 bmi1 bmi2 f16c fma movbe xsave"))
    assert accelerator.cpu_level(accelerator.cpu_flags(path)) == 3


def test_a_kernel_that_its_distribution_keeps_from_users_fails(reachable):
    (reachable / "vmlinuz-6.8.0").touch(mode=0o600)
    (reachable / "6.8.0").mkdir()
    with somebody_else():
        facts = guestfs.gather(reachable, reachable)
    (found,) = (one for one in guestfs.judge(facts, DEBIAN) if one.name == "appliance kernel")
    assert found.state == "fail"
    assert "may not be read by you" in found.meaning


def test_a_data_root_that_may_not_be_written_fails_and_is_not_called_good_otherwise(reachable):
    (reachable / "images").mkdir(mode=0o555)
    with somebody_else():
        facts = folders.gather(reachable / "images", system=False)
    found = {one.name: one.state for one in folders.judge(facts, reachable)}
    assert found["data root"] == "fail"
    assert found["direct I/O"] == "unknown"


def test_a_label_is_read_where_selinux_enforces(tmp_path, monkeypatch):
    data = tmp_path / "data"
    data.mkdir()
    try:
        os.setxattr(data, "security.selinux", b"unconfined_u:object_r:default_t:s0\0")
    except OSError as error:
        pytest.skip(f"labels cannot be set here: {error}")
    for enforces, label in ((False, ""), (True, "default_t")):
        monkeypatch.setattr(labels.selinux, "enforces", lambda enforces=enforces: enforces)
        monkeypatch.setattr(labels.selinux, "refused_to_machines", lambda kind, keeps_labels: ("virtqemud_t: x",))
        assert labels.gather(data, system=True).label == label
    # Who runs machines in a session of their own is not confined by the system's daemon.
    assert labels.gather(data, system=False).label == ""
    (found,) = labels.judge(labels.gather(data, system=True, root=True), data)
    assert found.state == "fail"
    assert f"restorecon -R {data}" in found.commands


def test_a_folder_that_others_may_not_enter_is_closed(tmp_path):
    tmp_path.chmod(0o750)
    assert not may_enter(tmp_path, NOBODY, [NOBODY])
    assert may_enter(tmp_path, NOBODY, [NOBODY, tmp_path.stat().st_gid])
    tmp_path.chmod(0o711)
    assert may_enter(tmp_path, NOBODY, [NOBODY])


def set_acl(folder, *entries):
    """Set an access control list: pairs of tag and permissions, and who."""
    body = b"".join(struct.pack("<HHI", tag, bits, who) for tag, bits, who in entries)
    try:
        os.setxattr(folder, "system.posix_acl_access", struct.pack("<I", 2) + body)
    except OSError as error:
        pytest.skip(f"no access control lists here: {error}")


NO_ID = 0xFFFFFFFF


def test_an_access_control_list_opens_a_folder_to_one_user(tmp_path):
    acl = [(0x01, 7, NO_ID), (0x02, 1, NOBODY), (0x04, 0, NO_ID), (0x10, 1, NO_ID), (0x20, 0, NO_ID)]
    set_acl(tmp_path, *acl)
    assert may_enter(tmp_path, NOBODY, [NOBODY])
    assert not may_enter(tmp_path, NOBODY - 1, [NOBODY])


def test_the_mask_of_an_access_control_list_counts(tmp_path):
    acl = [(0x01, 7, NO_ID), (0x02, 1, NOBODY), (0x04, 0, NO_ID), (0x10, 4, NO_ID), (0x20, 0, NO_ID)]
    set_acl(tmp_path, *acl)
    assert not may_enter(tmp_path, NOBODY, [])


def test_a_clock_behind_what_already_happened_is_wrong(tmp_path):
    os.utime(tmp_path, (4e9, 4e9))
    (found,) = clock.judge(clock.gather((tmp_path,)), DEBIAN)
    assert found.state == "fail"
    assert str(tmp_path) in found.meaning


def test_kernels_are_looked_for_with_their_modules(tmp_path):
    boot, modules = tmp_path / "boot", tmp_path / "modules"
    boot.mkdir()
    assert not guestfs.gather(boot, modules).kernels
    (boot / "vmlinuz-6.1.0").touch()
    (boot / "vmlinuz-0-rescue-abc").touch()
    facts = guestfs.gather(boot, modules)
    (found,) = (one for one in guestfs.judge(facts, DEBIAN) if one.name == "appliance kernel")
    assert found.state == "fail"
    (modules / "6.1.0").mkdir(parents=True)
    facts = guestfs.gather(boot, modules)
    (found,) = (one for one in guestfs.judge(facts, DEBIAN) if one.name == "appliance kernel")
    assert found.state == "ok"


def test_an_appliance_whose_parts_lack_xfs_is_found(tmp_path):
    (tmp_path / "packages").touch()
    assert not guestfs.gather(tmp_path, tmp_path, (tmp_path,)).has_xfs
    (tmp_path / "packages-xfs").touch()
    assert guestfs.gather(tmp_path, tmp_path, (tmp_path,)).has_xfs


@pytest.fixture(autouse=True)
def no_binding(monkeypatch):
    """Asking interpreters for the binding starts programs."""

    def none():
        raise HostError("none")

    monkeypatch.setattr(guestfs, "guestfs_python", none)


def test_a_descriptor_whose_firmware_is_gone_does_not_count(tmp_path):
    text = """{"interface-types": ["uefi"], "features": [%s], "targets":
        [{"architecture": "x86_64", "machines": ["pc-q35-*"]}],
        "mapping": {"executable": {"filename": "%s"}, "nvram-template": {"filename": "%s"}}}"""
    code = tmp_path / "CODE.fd"
    (tmp_path / "60-plain.json").write_text(text % ("", code, code))
    (tmp_path / "50-secure.json").write_text(text % ('"secure-boot", "enrolled-keys"', code, code))
    (tmp_path / "broken.json").write_text("{")
    before = firmware.gather((tmp_path, tmp_path / "none"))
    assert not before.plain
    assert not before.secure
    code.touch()
    after = firmware.gather((tmp_path,))
    assert after.plain
    assert after.secure


def request(plugins, name="rocky9", **more):
    _, system = plugins.system(name)
    return MediumRequest(system=system, source=MediumSource(), **more)


def test_a_medium_that_is_nowhere_fails_and_says_where_it_was_looked_for(plugins, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = media.judge_request(request(plugins), Store(tmp_path / "data"))
    assert found.state == "fail"
    assert "rocky9" in found.meaning
    (tmp_path / "Rocky-9.7-x86_64-minimal.iso").touch()
    assert media.judge_request(request(plugins), Store(tmp_path / "data")).state == "ok"


def test_a_medium_that_is_named_and_not_there_fails(plugins, tmp_path):
    found = media.judge_request(request(plugins, override=str(tmp_path / "none.iso")), Store(tmp_path))
    assert found.state == "fail"


def test_a_medium_that_is_made_fails_without_the_programs_for_it(plugins, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    maker = MediumMaker(name="m", summary="", make=print, fingerprint=str, programs=("no-such-program",))
    found = media.judge_request(request(plugins, maker=maker), Store(tmp_path))
    assert found.state == "fail"
    assert "no-such-program" in found.meaning


def test_media_folders_without_isos_are_warned_of(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert media.judge({}, Store(tmp_path)).state == "warn"
    (tmp_path / "a.iso").touch()
    assert tmp_path in media.gather((), Store(tmp_path / "data"))


@pytest.fixture
def killed(tmp_path, monkeypatch):
    """A data root in which a publish and an install were killed."""
    monkeypatch.setattr(retire.temporary, "abandoned", tuple)
    store = Store(tmp_path)
    (store.images / "demo" / ".partial-20260301.1-x").mkdir(parents=True)
    store.work("0123456789abcdef").joinpath("installed.qcow2.partial").write_bytes(bytes(4096))
    return store


def test_what_killed_builds_left_is_found_and_removed(killed):
    found = leftovers.gather(killed)
    assert sorted(path.name for path in found) == [".partial-20260301.1-x", "installed.qcow2.partial"]
    removed = tuple(retire.remove_leftovers(killed, found, lambda _: ()))
    assert len(removed) == 2
    assert leftovers.gather(killed) == ()
    assert (killed.root / "work" / "0123456789abcdef").is_dir()


def test_what_a_living_build_writes_is_no_leftover(killed):
    with lock(killed.lock_file("work-0123456789abcdef-install"), lambda _: None):
        assert [path.name for path in leftovers.gather(killed)] == [".partial-20260301.1-x"]


def test_a_folder_that_is_not_there_yet_is_judged_by_the_one_above_it(tmp_path):
    facts = folders.gather(tmp_path / "a" / "b", system=False)
    assert facts.writable
    assert facts.free > 0
    assert not (tmp_path / "a").exists()
    assert not list(tmp_path.iterdir())


def test_qemus_user_is_asked_of_every_folder_above(tmp_path, monkeypatch):
    from imgpipe.adapters import qemu_user

    somebody = qemu_user.pwd.getpwuid(NOBODY)
    monkeypatch.setattr(folders, "qemu_user", lambda: somebody)
    (tmp_path / "data").mkdir()
    tmp_path.chmod(0o700)
    facts = folders.gather(tmp_path / "data", system=True)
    assert facts.closed is not None
    assert facts.closed in (tmp_path, *tmp_path.parents)


def test_a_check_that_cannot_look_is_unknown_and_spoils_no_other():
    def broken():
        raise PermissionError(13, "Permission denied", "/x")

    fine = Finding(name="b", state="ok", meaning="")
    found = run((Check("a", broken), Check("b", lambda: (fine,))))
    assert [(one.name, one.state) for one in found] == [("a", "unknown"), ("b", "ok")]


def test_a_check_that_ends_with_an_error_is_unknown_and_names_the_command_of_its_hint():
    def refused():
        raise HostError("libvirt is silent.", hint="Run 'systemctl start x' as root.", details=["first", "last"])

    (found,) = run((Check("a", refused),))
    assert (found.state, found.commands) == ("unknown", ("systemctl start x",))
    assert found.meaning == "libvirt is silent. first last Run 'systemctl start x' as root."


def test_checks_run_beside_each_other():
    together = Barrier(3, timeout=60)

    def meet():
        together.wait()
        return (Finding(name="met", state="ok", meaning=""),)

    assert [one.state for one in run([Check(name, meet) for name in "abc"])] == ["ok"] * 3


def test_what_would_stop_a_build_stops_it_first_with_all_commands():
    wrong = [
        Finding(name="UEFI", state="fail", meaning="There is no firmware.", commands=("apt-get install ovmf",)),
        Finding(name="TPM", state="fail", meaning="There is no TPM.", commands=("apt-get install swtpm",)),
        Finding(name="clock", state="warn", meaning="It is late."),
    ]
    with pytest.raises(HostError) as caught:
        require(wrong, "the build of 'x'")
    assert caught.value.details == ("UEFI: There is no firmware.", "TPM: There is no TPM.")
    assert "ovmf" in caught.value.hint
    assert "swtpm" in caught.value.hint
    require(wrong[2:], "the build of 'x'")


def test_a_session_daemon_that_does_not_run_is_told_from_one_that_does(tmp_path, monkeypatch):
    # Short, because the path of a UNIX socket may be 107 bytes long at most.
    with tempfile.TemporaryDirectory(prefix="lv-") as runtime:
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
        assert not libvirt_daemon.session_daemon_answers()
        Path(runtime, "libvirt").mkdir()
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(f"{runtime}/libvirt/virtqemud-sock")
            server.listen()
            assert libvirt_daemon.session_daemon_answers()
