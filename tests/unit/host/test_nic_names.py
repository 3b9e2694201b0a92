"""Classic names for the host's NICs, on the file trees of the ten distributions."""

from pathlib import Path

import pytest

from host_trees import DISTRIBUTIONS, Distribution, add_nic, make, write
from imgpipe.errors import HostError, RecipeError
from imgpipe.host.nic_names import changing, grub_defaults, tree
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
    """grubby and the mkconfigs, as they act on a file tree; what is in `stuck` cannot be written."""

    def __init__(self, root, fail="", stuck=()):
        self.root, self.fail, self.stuck, self.ran = root, fail, stuck, []

    def __call__(self, *argv):
        self.ran.append(argv)
        if argv[0] == self.fail:
            (self.root / "boot/grub2/grub.cfg").write_text("half")
            raise HostError(f"The program '{argv[0]}' failed.")
        if argv[0] == "grubby":
            Grubby(self.root, self.stuck).run(argv[1:])
        elif argv[0].endswith("-mkconfig"):
            defaults = (self.root / "etc/default/grub").read_text()
            line = next(line for line in defaults.splitlines() if line.startswith("GRUB_CMDLINE_LINUX="))
            (self.root / argv[2][1:]).write_text(f"menuentry\nlinux /vmlinuz {line.split(chr(34))[1]}\n")
        return ""


class Grubby:
    """What the script of Enterprise Linux 8 and 9 does with '--update-kernel=ALL', its faults included.

    It takes what cannot be written for written, and ends with 0. Of words with '=' it removes the first of each alone.
    It writes over all lines of /etc/default/grub that begin with GRUB_CMDLINE_LINUX. It makes /etc/kernel/cmdline.
    """

    def __init__(self, root, stuck):
        self.root, self.stuck = root, stuck
        self.add, self.remove = (), ()

    def run(self, words):
        known = (self.root / "usr/libexec/grubby/grubby-bls").read_text()
        given = dict(word.removeprefix("--").partition("=")[::2] for word in words)
        assert given.pop("update-kernel") == "ALL"
        quiet = "no-etc-grub-update" in given
        if quiet and "no-etc-grub-update" not in known:
            raise HostError("grubby: unrecognized option '--no-etc-grub-update'")
        self.add, self.remove = given.get("args", "").split(), given.get("remove-args", "").split()
        if not quiet:
            self._settings()
        self._environment()
        entries = tree.boot_entries(self.root)
        first = entries[-1].read_text().splitlines()[1].split()[1:]
        for path in entries:
            title, options = path.read_text().splitlines()
            if "$kernelopts" not in options:
                self._write(path, f"{title}\noptions {self._updated(options.split()[1:])}\n")
        cmdline = self.root / "etc/kernel/cmdline"
        if not cmdline.exists():
            kernelopts = grub_defaults.value_of((self.root / "boot/grub2/grubenv").read_text(), "kernelopts")
            write(self.root, "etc/kernel/cmdline", " ".join(first).replace("$kernelopts", kernelopts) + "\n")
        self._write(cmdline, self._updated(cmdline.read_text().split()) + "\n")

    def _settings(self):
        path = self.root / "etc/default/grub"
        lines = path.read_text().splitlines()
        old = next(line for line in lines if line.startswith("GRUB_CMDLINE_LINUX="))
        new = f'GRUB_CMDLINE_LINUX="{self._updated(old.split(chr(34))[1].split())}"'
        changed = [new if line.startswith("GRUB_CMDLINE_LINUX") else line for line in lines]
        self._write(path, "\n".join(changed) + "\n")

    def _environment(self):
        path = self.root / "boot/grub2/grubenv"
        lines = path.read_text().split("\n")
        named = [line.startswith("kernelopts=") for line in lines]
        new = [
            f"kernelopts={self._updated(line.partition('=')[2].split())}" if is_it else line
            for line, is_it in zip(lines, named, strict=True)
        ]
        self._write(path, "\n".join(new))

    def _updated(self, words):
        words = list(words)
        for gone in self.remove:
            if gone in words:
                words.remove(gone)
        names = {word.partition("=")[0] for word in self.add}
        return " ".join([*(word for word in words if word.partition("=")[0] not in names), *self.add])

    def _write(self, path, text):
        if str(path.relative_to(self.root)) not in self.stuck:
            path.write_text(text)


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
        quiet = ("--no-etc-grub-update",) if DISTRIBUTIONS[name].newer_grubby else ()
        assert programs.ran == [("grubby", *quiet, "--update-kernel=ALL", "--args=net.ifnames=0 biosdevname=0")]
        booted = [path.read_text() for path in tree.boot_entries(root)]
        if DISTRIBUTIONS[name].kernelopts:
            booted = [(root / "boot/grub2/grubenv").read_text()]
        assert all(word in text for text in (*booted, (root / "etc/kernel/cmdline").read_text()) for word in BOTH)
    assert 'GRUB_CMDLINE_LINUX_DEFAULT="splash"' in (root / "etc/default/grub").read_text()
    assert not by_kernel_arguments(root).changes
    changing.roll_back(root, kept, programs)
    after = snapshot(root)
    assert not any(word in text for text in after.values() for word in BOTH)
    assert (
        after == before if name not in WRITTEN_BY_MKCONFIG else after["etc/default/grub"] == before["etc/default/grub"]
    )
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
    assert plan.undo == (("grubby", "--no-etc-grub-update", "--update-kernel=ALL", "--remove-args=biosdevname=0"),)
    changing.apply(plan, root, kept, Programs(root))
    changing.roll_back(root, kept, Programs(root))
    assert "net.ifnames=0" in path.read_text()


@pytest.mark.parametrize(
    ("name", "stuck"),
    [
        ("rocky 9", "boot/loader/entries/0123-5.14.0-1.conf"),
        ("rocky 9", "etc/kernel/cmdline"),
        ("rocky 8", "boot/grub2/grubenv"),
    ],
)
def test_what_grubby_could_not_write_and_did_not_tell_is_found_and_all_is_as_it_was(tmp_path, name, stuck):
    root, kept = make(tmp_path / "root", DISTRIBUTIONS[name], uefi=True), tmp_path / "kept"
    before = snapshot(root)
    with pytest.raises(HostError, match="did not get to every kernel"):
        changing.apply(by_kernel_arguments(root), root, kept, Programs(root, stuck=(stuck,)))
    assert snapshot(root) == before
    # The same again, when it can be written.
    changing.apply(by_kernel_arguments(root), root, kept, Programs(root))
    with pytest.raises(HostError, match="still have"):
        changing.roll_back(root, kept, Programs(root, stuck=(stuck,)))
    changing.roll_back(root, kept, Programs(root))
    assert snapshot(root) == before


def test_another_value_of_the_same_argument_is_replaced_and_comes_back(tmp_path):
    root, kept = make(tmp_path / "root", DISTRIBUTIONS["rocky 9"], uefi=False), tmp_path / "kept"
    for entry in tree.boot_entries(root):
        entry.write_text(f"{entry.read_text().rstrip()} net.ifnames=1\n")
    before = snapshot(root)
    changing.apply(by_kernel_arguments(root), root, kept, Programs(root))
    assert not any("net.ifnames=1" in path.read_text() for path in tree.boot_entries(root))
    changing.roll_back(root, kept, Programs(root))
    # What no entry refers to is of no account.
    assert {**snapshot(root), "boot/grub2/grubenv": ""} == {**before, "boot/grub2/grubenv": ""}


def test_a_kernel_with_a_later_value_is_not_taken_for_done(tmp_path):
    root = make(tmp_path / "root", DISTRIBUTIONS["rocky 9"], uefi=False)
    changing.apply(by_kernel_arguments(root), root, tmp_path / "kept", Programs(root))
    entry = tree.boot_entries(root)[0]
    entry.write_text(f"{entry.read_text().rstrip()} net.ifnames=1\n")
    assert by_kernel_arguments(root).commands[0][0] == "grubby"


def test_a_kernel_that_was_installed_since_keeps_none_of_the_words(tmp_path):
    root, kept = make(tmp_path / "root", DISTRIBUTIONS["rocky 9"], uefi=False), tmp_path / "kept"
    changing.apply(by_kernel_arguments(root), root, kept, Programs(root))
    options = (root / "etc/kernel/cmdline").read_text()
    newer = write(root, "boot/loader/entries/0123-5.14.0-3.conf", f"title Linux\noptions {options}")
    changing.roll_back(root, kept, Programs(root))
    assert newer.read_text() == "title Linux\noptions root=/dev/vda2 ro crashkernel=auto\n"


def test_a_command_line_for_new_kernels_that_somebody_wrote_stays(tmp_path):
    root, kept = make(tmp_path / "root", DISTRIBUTIONS["rocky 9"], uefi=False), tmp_path / "kept"
    changing.apply(by_kernel_arguments(root), root, kept, Programs(root))
    write(root, "etc/kernel/cmdline", "root=/dev/vda2 ro mine net.ifnames=0 biosdevname=0\n")
    changing.roll_back(root, kept, Programs(root))
    assert (root / "etc/kernel/cmdline").read_text() == "root=/dev/vda2 ro mine\n"


@pytest.mark.parametrize(("enabled", "shown", "grubby"), [(False, True, True), (True, False, False)])
def test_what_grub_reads_decides_and_not_what_it_would_be_given_next(tmp_path, enabled, shown, grubby):
    root = make(tmp_path / "root", DISTRIBUTIONS["rocky 9"], uefi=False)
    path = root / "etc/default/grub"
    path.write_text(path.read_text().replace("GRUB_ENABLE_BLSCFG=true", f"GRUB_ENABLE_BLSCFG={str(enabled).lower()}"))
    write(root, "boot/grub2/grub.cfg", "insmod blscfg\nblscfg\n" if shown else "menuentry 'Linux' {\n}\n")
    assert (by_kernel_arguments(root).commands[0][0] == "grubby") is grubby


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


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX quiet"\n', None),
        ('export GRUB_CMDLINE_LINUX="quiet ${GRUB_CMDLINE_LINUX}"\n', None),
        ('GRUB_CMDLINE_LINUX_DEFAULT="quiet"\n', None),
        ('GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX_DEFAULT"\n', "sets GRUB_CMDLINE_LINUX anew"),
        ("GRUB_CMDLINE_LINUX=quiet\n", "sets GRUB_CMDLINE_LINUX anew"),
        ('GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX net.ifnames=1"\n', "adds net.ifnames=1, and of two values"),
        ('GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX net.ifnames=0"\n', None),
    ],
)
def test_a_file_of_grub_d_that_only_adds_keeps_what_is_there(tmp_path, text, said):
    write(tmp_path, "etc/default/grub.d/50-own.cfg", text)
    found = list(tree.overriding_defaults(tmp_path))
    assert len(found) == (said is not None)
    assert all(found_one.startswith(f"'/etc/default/grub.d/50-own.cfg' {said}") for found_one in found)
