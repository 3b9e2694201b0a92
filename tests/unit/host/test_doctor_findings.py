"""Checks on facts given by hand: what this host cannot be."""

import pytest

from imgpipe.adapters.installed import Daemons
from imgpipe.adapters.libvirt_inventory import Inventory
from imgpipe.host.distribution import Distribution
from imgpipe.host.doctor import accelerator, bridges, clock, firmware, folders, guestfs, leftovers, libvirt, programs
from imgpipe.host.doctor.accelerator import AcceleratorFacts

V2 = frozenset(["cx16", "lahf_lm", "popcnt", "sse4_1", "sse4_2", "ssse3"])
V3 = V2 | frozenset(["abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe", "xsave"])
BOOKWORM = Distribution(family="debian", title="Debian 12", release="12", codename="bookworm")
MODULAR = Daemons("virtqemud", ("virtstoraged", "virtnetworkd", "virtlogd"))
ROCKY = Distribution(family="el", title="Rocky Linux 9", release="9")


def facts(device="opens", flags=V3, **more):
    return AcceleratorFacts(device=device, cpu_flags=frozenset(flags), **more)


def test_kvm_that_was_tried_and_boots_is_fine():
    found = accelerator.judge(facts(remembered="kvm"), "ann")
    assert found.state == "ok"


def test_kvm_that_was_never_tried_is_not_called_good():
    found = accelerator.judge(facts(), "ann")
    assert (found.state, found.commands) == ("unknown", ("imgpipe doctor --deep",))


def test_kvm_that_boots_nothing_is_called_broken_and_nested_kvm_is_named():
    bare = accelerator.judge(facts(remembered="tcg"), "ann")
    nested = accelerator.judge(facts(flags=V3 | {"hypervisor"}, remembered="tcg"), "ann")
    assert bare.state == nested.state == "warn"
    assert "broken" in bare.meaning
    assert "nested" in nested.meaning
    assert "nested" not in bare.meaning


@pytest.mark.parametrize(
    ("device", "flags", "command"),
    [
        ("closed", V3, "usermod -aG kvm ann"),
        ("missing", V3 | {"svm"}, "modprobe kvm_amd"),
        ("missing", V3 | {"vmx"}, "modprobe kvm_intel"),
    ],
)
def test_what_mends_a_kvm_that_cannot_be_used_is_said(device, flags, command):
    found = accelerator.judge(facts(device, flags), "ann")
    assert found.state == "warn"
    assert found.commands[-1] == command


def test_the_systems_daemon_opens_kvm_for_those_who_may_not():
    assert accelerator.judge(facts("closed", system=True), "ann").state == "unknown"
    tried = facts("closed", flags=V2, system=True, remembered="kvm")
    found = accelerator.judge(tried, "ann")
    assert (found.state, found.commands) == ("warn", ("usermod -aG kvm ann",))
    assert "libguestfs, which runs as you, is emulated" in found.meaning
    assert accelerator.judge_cpu(tried, (10, 0, 2), 3, "Rocky Linux 10").state == "fail"
    assert accelerator.judge(facts("closed", system=True, asked="kvm"), "ann").state == "warn"
    assert accelerator.judge(facts("missing", system=True, asked="kvm"), "ann").state == "fail"


def test_a_kvm_that_was_asked_for_and_is_not_there_stops_everything():
    assert accelerator.judge(facts("missing", asked="kvm"), "ann").state == "fail"


@pytest.mark.parametrize(("flags", "level"), [((), 1), (V2, 2), (V3, 3), (V3 - {"avx2"}, 2)])
def test_the_cpu_level_is_told_from_flags(flags, level):
    assert accelerator.cpu_level(frozenset(flags)) == level


def test_a_cpu_below_what_the_system_needs_fails_under_kvm_and_not_under_emulation():
    under_kvm = accelerator.judge_cpu(facts(flags=V2, remembered="kvm"), (10, 0, 2), 3, "Rocky Linux 10")
    emulated = accelerator.judge_cpu(facts(flags=V2, remembered="tcg"), (10, 0, 2), 3, "Rocky Linux 10")
    too_old = accelerator.judge_cpu(facts(flags=V2, remembered="tcg"), (6, 2, 0), 3, "Rocky Linux 10")
    assert (under_kvm.state, emulated.state, too_old.state) == ("fail", "ok", "fail")
    assert "Rocky Linux 10 needs x86-64-v3" in under_kvm.meaning
    assert under_kvm.commands == ("export IMGPIPE_ACCELERATOR=tcg",)


def test_a_cpu_below_what_is_needed_wants_a_newer_qemu_where_emulation_is_not_enough_either():
    newer = ("do-release-upgrade",)
    emulated = accelerator.judge_cpu(facts(flags=V2, remembered="tcg"), (6, 2, 0), 3, "Rocky Linux 10", newer)
    under_kvm = accelerator.judge_cpu(facts(flags=V2, remembered="kvm"), (6, 2, 0), 3, "Rocky Linux 10", newer)
    assert emulated.commands == newer
    assert under_kvm.commands == (*newer, "export IMGPIPE_ACCELERATOR=tcg")


def installed(**more):
    given = {"versions": {"qemu": "10.0.2", "libvirt": "11.3.0"}, "qemu_img": True, "missing": {}} | more
    return programs.ProgramFacts(**given)


def states(findings):
    return {finding.name: finding.state for finding in findings}


def test_qemu_7_is_too_old_only_where_machines_are_emulated():
    old = installed(versions={"qemu": "7.2.17", "libvirt": "9.0.0"})
    assert states(programs.judge(old, BOOKWORM, "tcg"))["QEMU"] == "warn"
    assert states(programs.judge(old, BOOKWORM, "kvm"))["QEMU"] == "ok"
    (found, *_) = programs.judge(old, BOOKWORM, "tcg")
    assert "-t bookworm-backports qemu-system-x86" in found.commands[0]


@pytest.mark.parametrize(
    ("versions", "fails"),
    [
        ({"qemu": "4.1.0", "libvirt": "6.2.0"}, set()),
        ({"qemu": "4.0.0", "libvirt": "6.2.0"}, {"QEMU"}),
        ({"qemu": "4.1.0", "libvirt": "6.1.0"}, {"libvirt version"}),
        ({"qemu": "2.12.0", "libvirt": "4.5.0"}, {"QEMU", "libvirt version"}),
    ],
)
def test_what_is_older_than_machines_need_fails_also_where_no_daemon_runs(versions, fails):
    found = programs.judge(installed(versions=versions), ROCKY, "kvm")
    assert {name for name, state in states(found).items() if state == "fail"} == fails


def test_missing_programs_fail_with_the_distributions_own_command():
    bare = installed(versions={}, qemu_img=False, missing={"qemu-kvm": "runs the machines"})
    found = {finding.name: finding for finding in programs.judge(bare, ROCKY, None)}
    assert found["QEMU"].state == found["libvirt version"].state == "fail"
    assert found["QEMU"].commands == ("dnf install qemu-kvm qemu-img",)
    assert "not been tried" in found["packages"].meaning
    assert found["packages"].repairs


def asked(**more):
    given = {
        "uri": "qemu:///system",
        "daemons": MODULAR,
        "systemd": True,
        "user": "ann",
        "inventory": Inventory(
            uri="qemu:///system",
            versions={"libvirt": "11.3.0", "qemu": "10.0.2"},
            pools={"default": True},
            networks={"default": True},
        ),
    }
    return libvirt.DaemonFacts(**(given | more))


def inventory(pools, networks, unfinished=()):
    versions = {"libvirt": "11.3.0", "qemu": "10.0.2"}
    return Inventory(uri="x", versions=versions, pools=pools, networks=networks, unfinished=unfinished)


def test_a_silent_daemon_is_started_by_the_socket_of_the_daemon_that_is_installed():
    (found,) = libvirt.judge(asked(inventory=None, error="connection refused"))
    assert found.state == "fail"
    assert [repair[-1] for repair in found.repairs] == [
        "virtqemud.socket",
        "virtstoraged.socket",
        "virtnetworkd.socket",
        "virtlogd.socket",
    ]
    (found,) = libvirt.judge(asked(inventory=None, daemons=Daemons("libvirtd", ("virtlogd",))))
    assert found.repairs[0] == ("systemctl", "enable", "--now", "libvirtd.socket")


def test_the_silent_daemon_of_another_host_is_not_started_on_this_one():
    (found,) = libvirt.judge(asked(inventory=None, uri="qemu+ssh://ann@far.example/system"))
    assert found.state == "fail"
    assert not found.repairs
    assert found.commands == ("ssh ann@far.example systemctl status libvirtd.socket virtqemud.socket",)


def test_a_daemon_that_is_not_installed_is_not_started_but_installed():
    (found,) = libvirt.judge(asked(inventory=None, daemons=None))
    assert (found.state, found.commands, found.repairs) == ("fail", ("imgpipe host setup",), ())


def test_a_daemon_that_refuses_somebody_wants_the_group():
    (found,) = libvirt.judge(asked(inventory=None, denied=True))
    assert found.commands[0] == "usermod -aG libvirt ann"
    assert not found.repairs


def test_a_daemon_that_imgpipe_starts_itself_is_no_fault():
    (found,) = libvirt.judge(asked(inventory=None, startable=True, systemd=False))
    assert found.state == "ok"


def test_pools_and_networks_that_are_off_are_named_and_only_pools_are_started_for_you():
    off = {f.name: f for f in libvirt.judge(asked(inventory=inventory({"a": False}, {"lan": False}, ("web1",))))}
    assert off["pools"].repairs == (
        ("virsh", "-c", "qemu:///system", "pool-start", "a"),
        ("virsh", "-c", "qemu:///system", "pool-autostart", "a"),
    )
    assert off["networks"].commands == ("virsh -c x net-start lan",)
    assert not off["networks"].repairs
    assert off["machines"].state == "warn"


def test_a_pool_of_the_settings_that_libvirt_lacks_or_that_is_off_fails():
    assert states(libvirt.judge(asked(pool="vms")))["pools"] == "fail"
    assert states(libvirt.judge(asked(pool="a", inventory=inventory({"a": False}, {}))))["pools"] == "fail"


def editor(**more):
    kernel = guestfs.KernelFile(path="/boot/vmlinuz-6.1.0", release="6.1.0", readable=True, has_modules=True)
    return guestfs.EditorFacts(**({"python": "/usr/bin/python3", "kernels": (kernel,), "has_xfs": True} | more))


def kernel(release, *, readable=True):
    return guestfs.KernelFile(path=f"/boot/vmlinuz-{release}", release=release, readable=readable, has_modules=True)


def test_a_host_without_the_binding_or_xfs_fails_with_the_packages_that_mend_it():
    found = {f.name: f for f in guestfs.judge(editor(python="", has_xfs=False), ROCKY)}
    assert found["libguestfs"].commands == ("dnf install python3-libguestfs",)
    assert found["XFS"].commands == ("dnf install libguestfs-xfs",)
    assert found["libguestfs"].state == found["XFS"].state == "fail"


def test_a_newest_kernel_that_may_not_be_read_fails_although_an_older_one_may():
    both = editor(kernels=(kernel("6.8.0-90-generic"), kernel("6.8.0-100-generic", readable=False)))
    found = {f.name: f for f in guestfs.judge(both, BOOKWORM)}["appliance kernel"]
    assert found.state == "fail"
    assert found.commands[0].endswith("0644 /boot/vmlinuz-6.8.0-100-generic")
    assert found.commands[0].startswith("dpkg-statoverride")


def test_a_kernel_that_cannot_mount_new_xfs_is_warned_of():
    assert states(guestfs.judge(editor(kernels=(kernel("5.14.0-570.el9"),)), ROCKY))["appliance kernel"] == "warn"
    assert states(guestfs.judge(editor(kernels=(kernel("5.19.0"),)), ROCKY))["appliance kernel"] == "ok"


def test_an_appliance_without_xfs_fails():
    assert states(guestfs.launched("6.1", ("ext4",), BOOKWORM))["XFS"] == "fail"


def test_a_windows_disk_wants_ntfs_which_enterprise_linux_has_as_a_part_of_the_appliance(tmp_path, monkeypatch):
    assert not tuple(guestfs.judge_ntfs(editor(), BOOKWORM))
    (lacking,) = guestfs.judge_ntfs(editor(has_ntfs=False), BOOKWORM)
    assert (lacking.state, lacking.commands) == ("fail", ("apt-get install ntfs-3g",))
    assert not tuple(guestfs.judge_ntfs(editor(), ROCKY))
    (lacking,) = guestfs.judge_ntfs(editor(has_ntfs=False), ROCKY)
    assert (lacking.state, lacking.commands) == ("fail", ("dnf install libguestfs-winsupport",))
    (tmp_path / "base.tar.gz").touch()
    (tmp_path / "zz-winsupport.tar.gz").touch()
    monkeypatch.setattr(guestfs, "guestfs_python", lambda: "python3")
    monkeypatch.setattr(guestfs.process, "is_installed", lambda program: False)
    assert guestfs.gather(tmp_path, tmp_path, [tmp_path]).has_ntfs
    (tmp_path / "zz-winsupport.tar.gz").unlink()
    assert not guestfs.gather(tmp_path, tmp_path, [tmp_path]).has_ntfs


def folder(tmp_path, **more):
    given = {"path": tmp_path / "images", "free": 2**40, "direct_io": True, "writable": True, "qemu": "qemu"}
    return folders.FolderFacts(**(given | more))


def judged(given, tmp_path):
    return {finding.name: finding for finding in folders.judge(given, tmp_path)}


def test_a_closed_folder_of_the_data_root_is_opened_and_one_above_it_is_left_to_its_owner(tmp_path):
    inside = judged(folder(tmp_path, closed=tmp_path), tmp_path)["QEMU user"]
    above = judged(folder(tmp_path, closed=tmp_path.parent), tmp_path)["QEMU user"]
    assert inside.repairs == (("chmod", "o+x", str(tmp_path)),)
    assert above.commands == (f"setfacl -m u:qemu:x {tmp_path.parent}",)
    assert not above.repairs
    assert above.state == "fail"


def test_what_the_commands_are_in_is_installed_first_where_it_is_not(tmp_path):
    given = folder(tmp_path, closed=tmp_path.parent, lacking={"setfacl": "apt-get install acl"})
    found = judged(given, tmp_path)
    assert found["QEMU user"].commands == ("apt-get install acl", f"setfacl -m u:qemu:x {tmp_path.parent}")


def test_direct_io_that_could_not_be_tried_is_not_called_good(tmp_path):
    assert judged(folder(tmp_path), tmp_path)["direct I/O"].state == "ok"
    assert judged(folder(tmp_path, direct_io=None, writable=False), tmp_path)["direct I/O"].state == "unknown"


def test_root_may_let_qemu_run_as_root_instead(tmp_path):
    assert judged(folder(tmp_path, closed=tmp_path, root=True), tmp_path)["QEMU user"].state == "warn"


def test_a_pool_that_is_somebody_elses_is_judged_and_left_alone(tmp_path):
    given = folder(tmp_path, closed=tmp_path, root=True, writable=False, direct_io=False)
    found = {finding.name: finding for finding in folders.judge(given, None)}
    assert {name: finding.state for name, finding in found.items()} == {
        "pool": "ok",
        "QEMU user": "warn",
        "direct I/O": "fail",
    }
    assert not any(finding.repairs for finding in found.values())


def test_room_that_only_becomes_short_later_is_a_warning(tmp_path):
    assert folders.judge_room(folder(tmp_path, free=2**20)).state == "fail"
    assert folders.judge_room(folder(tmp_path, free=2**32), whole=2**40).state == "warn"
    assert folders.judge_room(folder(tmp_path)).state == "ok"


def test_app_armor_without_its_helper_is_warned_of(tmp_path):
    (tmp_path / "enabled").write_text("Y\n")
    (found,) = folders.app_armor(tmp_path / "enabled", (tmp_path / "virt-aa-helper",))
    assert found.state == "warn"
    (tmp_path / "virt-aa-helper").touch()
    (found,) = folders.app_armor(tmp_path / "enabled", (tmp_path / "virt-aa-helper",))
    assert found.state == "ok"
    assert not tuple(folders.app_armor(tmp_path / "none"))


def bridge(**more):
    return bridges.judge(bridges.BridgeFacts(**({"name": "br1", "kind": "bridge", "up": True} | more)))


@pytest.mark.parametrize(
    ("more", "state"),
    [
        ({"kind": "missing"}, "warn"),
        ({"kind": "other"}, "fail"),
        ({"up": False}, "fail"),
        ({}, "warn"),
        ({"ports": (("eth0", "blocking"),)}, "fail"),
        ({"ports": (("eth0", "forwarding"), ("vnet0", "disabled"))}, "warn"),
        ({"ports": (("eth0", "forwarding"),)}, "ok"),
    ],
)
def test_a_bridge_is_judged_by_its_ports(more, state):
    assert bridge(**more).state == state


def test_firmware_fails_only_what_wants_it():
    plain = firmware.FirmwareFacts(plain=True, secure=False, tpm=False)
    assert not tuple(firmware.judge_needs(plain, ROCKY, firmware.Needs(uefi=True)))
    wanted = firmware.Needs(uefi=True, secure_boot=True, tpm=True)
    found = tuple(firmware.judge_needs(plain, ROCKY, wanted))
    assert [(one.name, one.state) for one in found] == [("UEFI", "fail"), ("TPM", "fail")]
    assert found[1].commands == ("dnf install swtpm swtpm-tools",)
    assert states(firmware.judge(plain, ROCKY)) == {"UEFI": "warn", "TPM": "warn"}


def test_a_clock_that_nothing_keeps_is_warned_of_and_one_that_is_kept_is_fine(tmp_path):
    unkept = clock.ClockFacts(now=2e9, seen=1e9, witness=tmp_path, kept=False)
    kept = clock.ClockFacts(now=2e9, seen=1e9, witness=tmp_path, kept=True)
    assert states(clock.judge(unkept, ROCKY)) == {"clock": "warn"}
    assert states(clock.judge(kept, ROCKY)) == {"clock": "ok"}


@pytest.mark.parametrize(
    ("there", "commands"),
    [
        ({}, ("timedatectl set-ntp true",)),
        ({"service": False}, ("dnf install chrony", "timedatectl set-ntp true")),
        ({"systemd": False, "service": False}, ("dnf install chrony", "chronyd")),
    ],
)
def test_a_clock_gets_a_service_that_is_there_or_installed_first(tmp_path, there, commands):
    (found,) = clock.judge(clock.ClockFacts(now=2e9, seen=1e9, witness=tmp_path, kept=False, **there), ROCKY)
    assert found.commands == commands


def test_leftovers_are_counted_and_can_be_removed(tmp_path):
    found = leftovers.judge([tmp_path / str(number) for number in range(5)], 2**30)
    assert found.state == "warn"
    assert "5 things" in found.meaning
    assert found.repairs


def nic(folder, name, *, wireless=False, kind="1"):
    (folder / name / "device").mkdir(parents=True)
    (folder / name / "type").write_text(f"{kind}\n")
    if wireless:
        (folder / name / "wireless").mkdir()


def test_doctor_fills_in_the_hosts_own_nics_the_one_that_leads_outside_first(tmp_path):
    net, routes = tmp_path / "net", tmp_path / "route"
    for name in ("enp1s0", "enp7s0"):
        nic(net, name)
    nic(net, "wlan0", wireless=True)
    nic(net, "ib0", kind="32")
    (net / "virbr0" / "brif").mkdir(parents=True)
    (net / "br1" / "brif" / "enp7s0").mkdir(parents=True)
    routes.write_text("Iface\tDestination\tGateway\nvirbr0\t007AA8C0\t0\nenp7s0\t00000000\t0101A8C0\n")
    assert bridges.gather_nics(net, routes) == ("enp7s0", "enp1s0")
    # The NIC is a bridge's port already, and the route goes by that.
    routes.write_text("Iface\tDestination\tGateway\nbr1\t00000000\t0101A8C0\n")
    assert bridges.gather_nics(net, routes) == ("enp7s0", "enp1s0")
    missing = bridges.BridgeFacts(name="br2", kind="missing")
    plan = "sudo imgpipe host network plan --outside enp7s0 --inside enp1s0"
    assert bridges.judge(missing, ("enp7s0", "enp1s0")).commands == (plan,)
    # One NIC makes the outside bridge alone.
    assert bridges.judge(missing, ("enp7s0",)).commands == ()
    one = bridges.BridgeFacts(name="br1", kind="missing")
    assert bridges.judge(one, ("enp7s0",)).commands == ("sudo imgpipe host network plan --outside enp7s0",)
