"""Classic names for the host's NICs, on the file trees of the ten distributions."""

from pathlib import Path

import pytest

from host_trees import DISTRIBUTIONS, Distribution, add_nic, make, write
from imgpipe.errors import HostError, RecipeError
from imgpipe.host.nic_names import changing, tree
from imgpipe.host.nic_names.planning import by_kernel_arguments, by_mac

BOTH = ("net.ifnames=0", "biosdevname=0")
WRITTEN_BY_MKCONFIG = {
    # name: (with BIOS, with UEFI)
    "openeuler 24.03": ("/boot/grub2/grub.cfg", "/boot/efi/EFI/openEuler/grub.cfg"),
    "kylin v10": ("/boot/grub2/grub.cfg", "/boot/efi/EFI/kylin/grub.cfg"),
    "uos 20": ("/boot/grub2/grub.cfg", "/boot/efi/EFI/uos/grub.cfg"),
    "ubuntu 24.04": ("/boot/grub/grub.cfg", "/boot/grub/grub.cfg"),
    "debian 13": ("/boot/grub/grub.cfg", "/boot/grub/grub.cfg"),
}


class Programs:
    """grubby and the mkconfigs, as they act on a file tree."""

    def __init__(self, root, fail=""):
        self.root, self.fail, self.ran = root, fail, []

    def __call__(self, *argv):
        self.ran.append(argv)
        if argv[0] == self.fail:
            (self.root / "boot/grub2/grub.cfg").write_text("half")
            raise HostError(f"The program '{argv[0]}' failed.")
        if argv[0] == "grubby":
            option, _, words = argv[2].partition("=")
            for path in tree.boot_entries(self.root):
                path.write_text(self.changed(path.read_text(), option, words.split()))
        elif argv[0].endswith("-mkconfig"):
            defaults = (self.root / "etc/default/grub").read_text()
            line = next(line for line in defaults.splitlines() if line.startswith("GRUB_CMDLINE_LINUX="))
            (self.root / argv[2][1:]).write_text(f"menuentry\nlinux /vmlinuz {line.split(chr(34))[1]}\n")
        return ""

    def changed(self, text, option, words):
        title, options = text.splitlines()
        kept = [word for word in options.split() if word not in words]
        return f"{title}\n{' '.join([*kept, *words] if option == '--args' else kept)}\n"


def snapshot(root):
    return {
        str(path.relative_to(root)): path.read_text()
        for path in root.rglob("*")
        if path.is_file() and path.stat().st_size
    }


@pytest.mark.parametrize("uefi", [False, True], ids=["bios", "uefi"])
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_every_distribution_gets_its_names_once_and_loses_them_again(tmp_path, name, uefi):
    root, kept = make(tmp_path / "root", DISTRIBUTIONS[name], uefi=uefi), tmp_path / "kept"
    before = snapshot(root)
    programs = Programs(root)
    plan = by_kernel_arguments(root)
    assert snapshot(root) == before
    changing.apply(plan, root, kept, programs)
    assert (
        'GRUB_CMDLINE_LINUX="crashkernel=auto rhgb quiet net.ifnames=0 biosdevname=0"'
        in (root / "etc/default/grub").read_text()
    )
    if name in WRITTEN_BY_MKCONFIG:
        target = WRITTEN_BY_MKCONFIG[name][uefi]
        assert [argv[1:] for argv in programs.ran] == [("-o", target)]
        assert all(word in (root / target[1:]).read_text() for word in BOTH)
    else:
        assert programs.ran == [("grubby", "--update-kernel=ALL", "--args=net.ifnames=0 biosdevname=0")]
        assert all(all(word in path.read_text() for word in BOTH) for path in tree.boot_entries(root))
    assert not by_kernel_arguments(root).changes
    changing.roll_back(root, kept, programs)
    after = snapshot(root)
    assert after["etc/default/grub"] == before["etc/default/grub"]
    assert not any(word in text for text in after.values() for word in BOTH)
    with pytest.raises(HostError, match="no change"):
        changing.roll_back(root, kept, programs)


def test_what_was_before_is_saved(tmp_path):
    root = make(tmp_path / "root", DISTRIBUTIONS["rocky 9"], uefi=True)
    before = snapshot(root)
    folder = changing.apply(by_kernel_arguments(root), root, tmp_path / "kept", Programs(root))
    saved = snapshot(folder / "files")
    assert {"etc/default/grub", "boot/loader/entries/0123-5.14.0-1.conf", "boot/grub2/grubenv"} <= set(saved)
    assert saved.items() <= before.items()


def test_a_failed_command_leaves_everything_as_it_was(tmp_path):
    root = make(tmp_path / "root", DISTRIBUTIONS["kylin v10"], uefi=False)
    before = snapshot(root)
    with pytest.raises(HostError, match="grub2-mkconfig"):
        changing.apply(by_kernel_arguments(root), root, tmp_path / "kept", Programs(root, fail="grub2-mkconfig"))
    assert snapshot(root) == before
    with pytest.raises(HostError, match="no change"):
        changing.roll_back(root, tmp_path / "kept", Programs(root))


def test_what_others_change_meanwhile_stays_when_it_is_undone(tmp_path):
    root, kept = make(tmp_path / "root", DISTRIBUTIONS["debian 13"], uefi=False), tmp_path / "kept"
    changing.apply(by_kernel_arguments(root), root, kept, Programs(root))
    path = root / "etc/default/grub"
    path.write_text(path.read_text().replace("rhgb", "nosmt").replace("GRUB_TIMEOUT=5", "GRUB_TIMEOUT=1"))
    changing.roll_back(root, kept, Programs(root))
    assert path.read_text().startswith('GRUB_TIMEOUT=1\nGRUB_CMDLINE_LINUX="crashkernel=auto nosmt quiet"\n')


def test_a_word_that_was_there_before_is_not_taken_away(tmp_path):
    root, kept = make(tmp_path / "root", DISTRIBUTIONS["rocky 9"], uefi=False), tmp_path / "kept"
    path = root / "etc/default/grub"
    path.write_text(path.read_text().replace("rhgb quiet", "net.ifnames=0"))
    for entry in tree.boot_entries(root):
        entry.write_text(f"{entry.read_text().rstrip()} net.ifnames=0\n")
    plan = by_kernel_arguments(root)
    assert plan.undo == (("grubby", "--update-kernel=ALL", "--remove-args=biosdevname=0"),)
    changing.apply(plan, root, kept, Programs(root))
    changing.roll_back(root, kept, Programs(root))
    assert "net.ifnames=0" in path.read_text()


def test_boot_entries_without_grubby_are_refused(tmp_path):
    root = make(tmp_path, DISTRIBUTIONS["almalinux 9"], uefi=True)
    (root / "usr/sbin/grubby").unlink()
    with pytest.raises(HostError, match="grubby") as caught:
        by_kernel_arguments(root)
    assert "dnf install grubby" in caught.value.hint


def test_the_vendor_folder_in_use_is_told_by_the_systems_name(tmp_path):
    root = make(tmp_path, DISTRIBUTIONS["openeuler 24.03"], uefi=True)
    write(root, "boot/efi/EFI/centos/grub.cfg", "menuentry left over\n")
    assert tree.grub_configuration(root) == Path("/boot/efi/EFI/openEuler/grub.cfg")
    write(root, "etc/os-release", "ID=something\n")
    with pytest.raises(HostError, match="cannot be told") as caught:
        tree.grub_configuration(root)
    assert caught.value.details == ("/boot/efi/EFI/centos/grub.cfg", "/boot/efi/EFI/openEuler/grub.cfg")


def test_a_vendor_folder_of_another_name_is_found_by_the_cpe(tmp_path):
    unusual = Distribution(ident="tlinux", esp="opencloudos", cpe="cpe:/o:opencloudos:opencloudos:9")
    root = make(tmp_path, unusual, uefi=True)
    write(root, "boot/efi/EFI/centos/grub.cfg", "menuentry left over\n")
    assert tree.grub_configuration(root) == Path("/boot/efi/EFI/opencloudos/grub.cfg")


def test_a_host_without_a_grub_cfg_is_told_so(tmp_path):
    root = make(tmp_path, DISTRIBUTIONS["debian 13"], uefi=False)
    (root / "boot/grub/grub.cfg").unlink()
    with pytest.raises(HostError, match=r"No grub\.cfg"):
        by_kernel_arguments(root)


def test_profiles_that_name_a_nic_by_its_present_name_are_warned_of(tmp_path):
    root = make(tmp_path, DISTRIBUTIONS["rocky 9"], uefi=True)
    add_nic(root, "ens3", "52:54:00:00:00:01")
    add_nic(root, "eth7", "52:54:00:00:00:02")
    write(root, "etc/NetworkManager/system-connections/a.nmconnection", "interface-name=ens3\n")
    write(root, "etc/NetworkManager/system-connections/b.nmconnection", "interface-name=ens33\n")
    write(root, "etc/sysconfig/network-scripts/ifcfg-c", "DEVICE=eth7\n")
    (warning,) = by_kernel_arguments(root).warnings
    assert "a.nmconnection' configures 'ens3'" in warning


def test_ubuntus_files_that_come_after_are_warned_of(tmp_path):
    root = make(tmp_path, DISTRIBUTIONS["ubuntu 24.04"], uefi=False)
    write(root, "etc/default/grub.d/50-cloudimg.cfg", 'GRUB_CMDLINE_LINUX="console=ttyS0"\n')
    (warning,) = by_kernel_arguments(root).warnings
    assert "50-cloudimg.cfg" in warning


PINS = {"eth0": "52:54:00:00:00:01", "eth1": "52:54:00:00:00:02"}


@pytest.fixture
def pinned(tmp_path):
    root = make(tmp_path / "root", DISTRIBUTIONS["rocky 9"], uefi=True)
    for name, mac in zip(("ens3", "ens4"), PINS.values(), strict=True):
        add_nic(root, name, mac)
    return root


def test_names_are_pinned_by_link_files_which_leave_bridges_alone(pinned, tmp_path):
    before = snapshot(pinned)
    plan = by_mac(pinned, PINS, "link")
    assert [str(item.path) for item in plan.files] == [f"/etc/systemd/network/10-imgpipe-eth{n}.link" for n in (0, 1)]
    assert "MACAddress=52:54:00:00:00:01\nType=ether\n\n[Link]\nName=eth0\n" in plan.files[0].after
    programs = Programs(pinned)
    changing.apply(plan, pinned, tmp_path / "kept", programs)
    assert programs.ran == [("dracut", "--force", "--regenerate-all")]
    assert not by_mac(pinned, PINS, "link").changes
    changing.roll_back(pinned, tmp_path / "kept", programs)
    assert snapshot(pinned) == before


@pytest.mark.parametrize("rules", ["link", "udev"])
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_every_distribution_gets_its_pins_into_the_initramfs_and_loses_them_again(tmp_path, name, rules):
    root, kept = make(tmp_path / "root", DISTRIBUTIONS[name], uefi=True), tmp_path / "kept"
    for nic, mac in zip(("ens3", "ens4"), PINS.values(), strict=True):
        add_nic(root, nic, mac)
    before, programs = snapshot(root), Programs(root)
    changing.apply(by_mac(root, PINS, rules), root, kept, programs)
    debian = name.startswith(("debian", "ubuntu"))
    again = ("update-initramfs", "-u", "-k", "all") if debian else ("dracut", "--force", "--regenerate-all")
    assert programs.ran == [again]
    written = "".join(text for path, text in snapshot(root).items() if path not in before)
    assert all(mac in written for mac in PINS.values())
    changing.roll_back(root, kept, programs)
    assert programs.ran == [again, again]
    assert snapshot(root) == before


def test_names_are_pinned_by_udev_rules_which_come_back_as_they_were(pinned, tmp_path):
    path = write(pinned, "etc/udev/rules.d/70-persistent-net.rules", "# mine\n")
    changing.apply(by_mac(pinned, PINS, "udev"), pinned, tmp_path / "kept", Programs(pinned))
    assert 'DRIVERS=="?*"' in path.read_text()
    assert path.read_text().count('NAME="eth') == 2
    changing.roll_back(pinned, tmp_path / "kept", Programs(pinned))
    assert path.read_text() == "# mine\n"


def test_a_pin_that_others_changed_is_not_written_over(pinned, tmp_path):
    changing.apply(by_mac(pinned, PINS, "link"), pinned, tmp_path / "kept", Programs(pinned))
    write(pinned, "etc/systemd/network/10-imgpipe-eth0.link", "[Link]\nName=mine\n")
    with pytest.raises(HostError, match="was changed since"):
        changing.roll_back(pinned, tmp_path / "kept", Programs(pinned))


def test_all_faults_of_pins_are_told_at_once(pinned):
    pins = {"eth0": "52:54:00:00:00:09", "eth/1": "52:54:00:00:00:01", "eth2": "x", "eth3": "52:54:00:00:00:01"}
    with pytest.raises(RecipeError) as caught:
        by_mac(pinned, pins, "link")
    said = "\n".join(caught.value.details)
    assert "eth0: no NIC has the address 52:54:00:00:00:09" in said
    assert "eth/1: is no name" in said
    assert "eth2: 'x' is no MAC address" in said
    assert "two names have the same" in said
