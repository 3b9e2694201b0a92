"""The first-boot script, run by the shells that guests have in a folder that looks like one."""

import configparser
import dataclasses
import json
import os
import shutil

import pytest
import yaml

from fake_guest import PARTX, FakeGuest
from imgpipe.deploy.wanted import WantedFile
from imgpipe.identity.carriage import SEED_VOLUME_ID, carry
from imgpipe.identity.digest import identity_digest
from imgpipe.identity.report import parse_report
from imgpipe.os_family import Personalise
from sample_identity import DYNAMIC, FULL, HASH, PUBLIC, ROOT_KEY, SECRET, STATIC, USER_KEY

pytestmark = pytest.mark.programs


@pytest.fixture(params=["dash", "busybox", "bash"])
def guest(request, tmp_path):
    if not shutil.which(request.param):
        pytest.skip(f"no {request.param}")
    guest = FakeGuest(tmp_path / "guest", request.param)
    guest.nic("lo", "00:00:00:00:00:00", virtual=True)
    guest.nic("br0", STATIC.mac, virtual=True)
    guest.nic("enp1s0", STATIC.mac)
    guest.nic("enp2s0", DYNAMIC.mac)
    return guest


def give(guest, identity, network="keyfile"):
    carried = carry(identity, Personalise(network=network), "web-01")
    guest.strings(carried.oem_strings)
    if carried.seed_files:
        guest.seed(carried.seed_files[0][1], SEED_VOLUME_ID)
    return carried


def start(guest, identity, network="keyfile"):
    give(guest, identity, network)
    done = guest.boot()
    assert done.returncode == 0, done.stderr
    return done


def problems(guest):
    path = guest.root / "var/lib/imgpipe/problems"
    return path.read_text().splitlines() if path.exists() else []


MARK = "var/lib/imgpipe/without-identity"
KEYFILES = "etc/NetworkManager/system-connections"


def by_hand(guest):
    """Boot the machine as somebody who knows nothing of imgpipe starts it."""
    done = guest.boot()
    assert done.returncode == 0, done.stderr
    assert problems(guest) == []


@pytest.mark.parametrize("strings", [None, ()])
def test_a_machine_without_strings_keeps_all_but_a_mark(guest, strings):
    before = guest.tree()
    if strings is not None:
        guest.strings(strings)
    by_hand(guest)
    assert guest.tree().keys() - before.keys() == {MARK}
    assert {path: guest.tree()[path] for path in before} == before
    assert not (guest.root / "run/imgpipe").exists()


def test_without_identity_networkmanager_is_told_of_the_nics_that_no_profile_names(guest):
    guest.program("NetworkManager", "")
    guest.write(f"{KEYFILES}/enp1s0.nmconnection", "[connection]\ninterface-name=enp1s0\n")
    guest.nic("enp10", "52:54:00:aa:00:03")
    by_hand(guest)
    assert {path.name for path in (guest.root / KEYFILES).iterdir()} == {
        "enp1s0.nmconnection", "imgpipe-enp2s0.nmconnection", "imgpipe-enp10.nmconnection",
    }  # fmt: skip
    written = f"{KEYFILES}/imgpipe-enp2s0.nmconnection"
    assert guest.mode(written) == 0o600
    read = configparser.ConfigParser()
    read.read_string(guest.read(written))
    assert dict(read["connection"])["interface-name"] == "enp2s0"
    assert read["ipv4"]["method"] == "auto"
    assert guest.calls("udevadm") == ["udevadm settle --timeout=20"]


def test_without_identity_ifupdown_is_told_of_the_nics_that_it_does_not_know(guest):
    guest.program("ifup", "")
    own = "auto lo\niface lo inet loopback\n\nallow-hotplug enp1s0\niface enp1s0 inet dhcp\n"
    guest.write("etc/network/interfaces", own)
    by_hand(guest)
    assert guest.read("etc/network/interfaces") == f"{own}\nauto enp2s0\niface enp2s0 inet dhcp\n"


def test_without_identity_netplan_is_told_of_the_nics_that_it_does_not_know(guest):
    guest.program("netplan", "")
    guest.program("systemctl", "")
    guest.write("etc/netplan/50-cloud-init.yaml", "network: {version: 2, ethernets: {enp1s0: {dhcp4: true}}}\n")
    by_hand(guest)
    told = yaml.safe_load(guest.read("etc/netplan/60-imgpipe-dhcp.yaml"))
    assert told["network"]["ethernets"] == {"enp2s0": {"dhcp4": True, "optional": True}}
    assert guest.calls("netplan") == ["netplan generate"]


def test_netplan_that_matches_nics_is_left_to_its_own_rules(guest):
    guest.program("netplan", "")
    guest.write("etc/netplan/01.yaml", "network: {version: 2, ethernets: {all: {match: {name: 'en*'}, dhcp4: true}}}\n")
    by_hand(guest)
    assert [path.name for path in (guest.root / "etc/netplan").iterdir()] == ["01.yaml"]


def test_what_its_owner_changes_after_the_first_boot_stays(guest):
    guest.program("ifup", "")
    guest.write("etc/network/interfaces", "auto lo\n")
    by_hand(guest)
    guest.write("etc/network/interfaces", "auto lo\n# two NICs that shall stay down\n")
    before = guest.tree()
    by_hand(guest)
    assert guest.tree() == before


def test_a_machine_that_lost_its_strings_keeps_its_network(guest):
    guest.program("NetworkManager", "")
    start(guest, PUBLIC)
    guest.strings(())
    before = guest.tree()
    by_hand(guest)
    assert before.keys() - guest.tree().keys() == {"var/lib/imgpipe/problems"}
    assert guest.tree().keys() <= before.keys()
    assert guest.read("etc/hostname") == "web-01.example.org\n"


def test_an_identity_that_comes_later_takes_the_place_of_dhcp(guest):
    guest.program("NetworkManager", "")
    by_hand(guest)
    start(guest, PUBLIC)
    assert {path.name for path in (guest.root / KEYFILES).iterdir()} == {
        "imgpipe-nic0.nmconnection", "imgpipe-nic1.nmconnection",
    }  # fmt: skip


def test_a_machine_that_cloud_init_looks_after_is_left_to_it(guest):
    guest.program("NetworkManager", "")
    guest.write("run/cloud-init/enabled", "")
    before = guest.tree()
    by_hand(guest)
    assert guest.tree() == before
    assert guest.calls() == []


def test_the_host_name_is_set_at_once_and_for_good(guest):
    start(guest, PUBLIC)
    assert guest.read("etc/hostname") == "web-01.example.org\n"
    assert guest.read("proc/sys/kernel/hostname") == "web-01.example.org\n"
    assert "template" in guest.read("etc/hosts")


def test_debian_finds_its_own_name_in_hosts(guest):
    guest.write("etc/debian_version", "13.1\n")
    start(guest, PUBLIC)
    assert guest.read("etc/hosts") == "127.0.0.1 localhost\n::1 localhost\n127.0.1.1\tweb-01.example.org web-01\n"
    assert guest.mode("etc/hosts") == 0o644


@pytest.mark.parametrize("tool", ["keyfile", "ifcfg"])
def test_profiles_of_the_template_give_way(guest, tool):
    stale = [
        guest.write("etc/NetworkManager/system-connections/eth0.nmconnection", ""),
        guest.write("etc/sysconfig/network-scripts/ifcfg-eth0", ""),
        guest.write("etc/sysconfig/network-scripts/route-eth0", ""),
    ]
    guest.write("etc/sysconfig/network-scripts/ifcfg-lo", "DEVICE=lo\n")
    start(guest, PUBLIC, tool)
    assert not [path for path in stale if path.exists()]
    assert guest.read("etc/sysconfig/network-scripts/ifcfg-lo") == "DEVICE=lo\n"


def test_keyfiles_are_written_for_root_alone(guest):
    start(guest, PUBLIC)
    text = guest.read("etc/NetworkManager/system-connections/imgpipe-nic0.nmconnection")
    assert "address1=10.100.1.10/24,10.100.1.1\n" in text
    assert f"mac-address={STATIC.mac.upper()}\n" in text
    assert guest.mode("etc/NetworkManager/system-connections/imgpipe-nic0.nmconnection") == 0o600
    assert "method=auto" in guest.read("etc/NetworkManager/system-connections/imgpipe-nic1.nmconnection")


def test_ifcfg_files_are_written(guest):
    start(guest, PUBLIC, "ifcfg")
    assert "IPADDR=10.100.1.10\n" in guest.read("etc/sysconfig/network-scripts/ifcfg-nic0")
    assert guest.mode("etc/sysconfig/network-scripts/ifcfg-nic0") == 0o644


def test_ifupdown_is_told_the_names_that_nics_have_here(guest):
    guest.write("etc/network/interfaces.d/old", "auto eth7\n")
    start(guest, PUBLIC, "ifupdown")
    assert guest.read("etc/network/interfaces.d/imgpipe-nic0").splitlines()[1] == "iface enp1s0 inet static"
    assert (
        guest.read("etc/network/interfaces.d/imgpipe-nic1") == "auto enp2s0\niface enp2s0 inet dhcp\n    metric 1000\n"
    )
    assert "iface lo inet loopback" in guest.read("etc/network/interfaces")
    assert guest.read("etc/resolv.conf") == "nameserver 10.100.1.2\nnameserver 10.100.1.3\n"
    assert not (guest.root / "etc/network/interfaces.d/old").exists()


def test_a_resolv_conf_of_somebody_else_stays(guest):
    (guest.root / "etc/resolv.conf").symlink_to("../run/stub-resolv.conf")
    start(guest, PUBLIC, "ifupdown")
    assert (guest.root / "etc/resolv.conf").is_symlink()
    assert not (guest.root / "run/stub-resolv.conf").exists()


def test_netplan_makes_its_files_before_the_network_starts(guest):
    guest.write("etc/netplan/00-installer-config.yaml", "network: {}\n")
    guest.program("netplan", "")
    guest.program("systemctl", "")
    start(guest, PUBLIC, "netplan")
    assert [path.name for path in (guest.root / "etc/netplan").iterdir()] == ["50-imgpipe.yaml"]
    assert set(yaml.safe_load(guest.read("etc/netplan/50-imgpipe.yaml"))["network"]["ethernets"]) == {"nic0", "nic1"}
    assert guest.calls("netplan") == ["netplan generate"]


def test_a_nic_that_is_not_there_is_a_problem_of_its_own(guest):
    guest.program("sleep", "")
    shutil.rmtree(guest.root / "sys/class/net/enp1s0")
    start(guest, PUBLIC, "ifupdown")
    assert f"there is no NIC {STATIC.mac}" in problems(guest)
    assert (
        guest.read("etc/network/interfaces.d/imgpipe-nic1") == "auto enp2s0\niface enp2s0 inet dhcp\n    metric 1000\n"
    )


def test_users_are_made_once_and_put_into_the_groups_that_exist(guest):
    start(guest, PUBLIC)
    assert guest.calls("useradd") == ["useradd --create-home --shell /bin/bash --comment On call ops"]
    assert guest.calls("usermod") == ["usermod --append --groups wheel ops"]
    assert problems(guest) == ["the user 'ops' is not in the group 'nobody-has-it', which is not there"]
    assert guest.read("home/ops/.ssh/authorized_keys") == f"{USER_KEY}\n"
    assert guest.mode("home/ops/.ssh") == 0o700
    assert guest.mode("home/ops/.ssh/authorized_keys") == 0o600


def test_a_user_whose_group_is_there_already_gets_it(guest):
    guest.write("etc/group", "root:x:0:\nops:x:50:\n")
    start(guest, dataclasses.replace(FULL, files=()))
    assert guest.calls("useradd") == ["useradd --create-home --shell /bin/bash --comment On call --gid ops ops"]


def test_a_user_that_is_there_is_not_made_again(guest):
    user = dataclasses.replace(PUBLIC.users[0], name="bob", groups=("wheel",))
    start(guest, dataclasses.replace(PUBLIC, users=(user,), files=()))
    assert guest.calls("useradd") == []
    assert guest.read("home/bob/.ssh/authorized_keys") == f"{USER_KEY}\n"


def test_keys_of_the_template_stay_and_those_of_an_earlier_identity_go(guest):
    own = "ssh-rsa AAAAtemplate template"
    guest.write("root/.ssh/authorized_keys", own)
    start(guest, PUBLIC)
    assert guest.read("root/.ssh/authorized_keys").splitlines() == [own, ROOT_KEY]
    start(guest, dataclasses.replace(PUBLIC, keys=("ssh-rsa AAAAnew new",)))
    assert guest.read("root/.ssh/authorized_keys").splitlines() == [own, "ssh-rsa AAAAnew new"]
    start(guest, dataclasses.replace(PUBLIC, keys=()))
    assert guest.read("root/.ssh/authorized_keys").splitlines() == [own]


def test_a_link_in_a_home_folder_is_not_followed(guest):
    guest.write("etc/cron.d/authorized_keys", "")
    (guest.root / "home/bob/.ssh").symlink_to("../../etc/cron.d")
    user = dataclasses.replace(PUBLIC.users[0], name="bob", groups=())
    start(guest, dataclasses.replace(PUBLIC, users=(user,), files=()))
    assert guest.read("etc/cron.d/authorized_keys") == ""
    assert problems(guest) == ["the keys of 'bob' are in a symbolic link"]


def test_files_arrive_byte_for_byte_with_mode_and_owner(guest):
    start(guest, PUBLIC)
    assert guest.read("etc/app/name's.conf") == PUBLIC.files[0].text
    assert guest.mode("etc/app/name's.conf") == 0o640
    assert guest.mode("etc/app") == 0o755
    assert f"chown root:ops {guest.root}/etc/app/name's.conf.imgpipe-new" in guest.calls("chown")


def test_a_file_that_cannot_be_written_is_a_problem_and_leaves_nothing(guest):
    (guest.root / "etc/app").mkdir()
    (guest.root / "etc/app/name's.conf").mkdir()
    start(guest, PUBLIC)
    assert "'/etc/app/name's.conf' is a folder" in problems(guest)
    assert list((guest.root / "etc/app").iterdir()) == [guest.root / "etc/app/name's.conf"]


def test_labels_are_set_for_all_that_is_new(guest):
    guest.program("restorecon", 'for list in "$@"; do :; done; cat "$list" > "$ROOT/labelled"\n')
    start(guest, PUBLIC)
    (call,) = guest.calls("restorecon")
    assert call.startswith("restorecon -R -f ")
    labelled = guest.read("labelled").splitlines()
    assert {f"{guest.root}{path}" for path in ("/etc/hostname", "/etc/app", "/root/.ssh")} <= set(labelled)


def test_secrets_come_from_the_seed_and_show_in_no_command(guest):
    start(guest, FULL)
    assert guest.read("chpasswd.stdin") == f"root:{HASH}\nops:{HASH}y\n"
    assert guest.calls("chpasswd") == ["chpasswd -e", "chpasswd -e"]
    assert not [call for call in guest.calls() if HASH in call or SECRET in call]
    assert guest.read("etc/app/token") == SECRET
    assert guest.mode("etc/app/token") == 0o600
    assert guest.calls("umount")
    assert guest.read("var/lib/imgpipe/identity") == f"{identity_digest(FULL)}\n"


def test_nothing_of_an_identity_stays_readable_by_others(guest):
    start(guest, FULL)
    assert not (guest.root / "run/imgpipe").exists()
    assert guest.mode("var/lib/imgpipe") == 0o700
    console = guest.read("dev/console")
    assert console == f"imgpipe: this machine is web-01.example.org (identity {identity_digest(FULL)})\n"


def test_without_its_seed_a_machine_gets_the_rest_and_tries_again(guest):
    carried = give(guest, FULL)
    guest.program("sleep", "")
    (guest.root / "dev/sr0").unlink()
    assert guest.boot().returncode == 1
    assert guest.read("etc/hostname") == "web-01.example.org\n"
    assert problems(guest) == [f"there is no CD '{SEED_VOLUME_ID}', which has the machine's secrets"]
    assert not (guest.root / "var/lib/imgpipe/identity").exists()
    guest.seed(carried.seed_files[0][1], SEED_VOLUME_ID)
    assert guest.boot().returncode == 0
    assert guest.read("etc/app/token") == SECRET
    assert problems(guest) == []


def test_another_machines_seed_is_refused(guest):
    give(guest, FULL)
    guest.seed("imgpipe 1 0\npassword cm9vdA== eA==\n", SEED_VOLUME_ID)
    assert guest.boot().returncode == 1
    assert guest.calls("chpasswd") == []
    assert problems(guest) == [f"the CD '{SEED_VOLUME_ID}' is not of this machine's definition"]


def test_a_large_identity_comes_whole_from_the_seed(guest):
    text = "".join(f"{os.urandom(32).hex()}\n" for _ in range(1000))
    large = dataclasses.replace(PUBLIC, files=(WantedFile(path="/etc/large", text=text),))
    start(guest, large)
    assert guest.read("etc/large") == text
    assert guest.read("etc/hostname") == "web-01.example.org\n"


def test_many_strings_are_put_together_in_order(guest):
    text = "".join(f"{os.urandom(32).hex()}\n" for _ in range(200))
    carried = give(guest, dataclasses.replace(PUBLIC, files=(WantedFile(path="/etc/large", text=text),)))
    assert len(carried.oem_strings) > 9
    guest.strings(tuple(reversed(carried.oem_strings)))
    assert guest.boot().returncode == 0
    assert guest.read("etc/large") == text


@pytest.mark.parametrize("damage", ["missing", "changed", "doubled", "newer"])
def test_damaged_strings_change_nothing(guest, damage):
    text = "".join(f"{os.urandom(32).hex()}\n" for _ in range(100))
    strings = carry(
        dataclasses.replace(PUBLIC, files=(WantedFile(path="/etc/large", text=text),)), Personalise(), "m"
    ).oem_strings
    guest.strings({
        "missing": strings[:-1],
        "changed": (strings[0][:-1] + ("A" if strings[0][-1] != "A" else "B"), *strings[1:]),
        "doubled": (strings[0], *strings),
        "newer": tuple(string.replace("imgpipe:1:", "imgpipe:2:") for string in strings),
    }[damage])  # fmt: skip
    code = guest.boot().returncode
    assert code == (0 if damage == "newer" else 1)
    assert not (guest.root / "etc/hostname").exists()
    assert not (guest.root / "var/lib/imgpipe/identity").exists()


def test_a_second_boot_changes_nothing(guest):
    start(guest, FULL)
    before, calls = guest.tree(), guest.calls()
    start(guest, FULL)
    assert guest.tree() == before
    assert [call for call in guest.calls()[len(calls) :] if not call.startswith("findmnt")] == []


def test_another_identity_takes_the_place_of_the_first(guest):
    start(guest, PUBLIC)
    changed = dataclasses.replace(PUBLIC, hostname="web-02", nics=(DYNAMIC,))
    start(guest, changed)
    assert guest.read("etc/hostname") == "web-02\n"
    profiles = (guest.root / "etc/NetworkManager/system-connections").iterdir()
    assert [path.name for path in profiles] == ["imgpipe-nic0.nmconnection"]
    assert guest.calls("useradd") == ["useradd --create-home --shell /bin/bash --comment On call ops"]
    assert guest.read("home/ops/.ssh/authorized_keys") == f"{USER_KEY}\n"
    assert guest.read("var/lib/imgpipe/identity") == f"{identity_digest(changed)}\n"


# --- growth


def disk(guest, *, size=41943040, kind="xfs", source="/dev/vda3"):
    """A disk of 20 GiB whose partitions end at 4 GiB."""
    place = guest.root / "sys/devices/vda"
    parts = {"vda1": (2048, 4096), "vda2": (6144, 1048576), "vda3": (1054720, 7329792)}
    guest.write("sys/devices/vda/size", f"{size}\n")
    (guest.root / "sys/class/block").mkdir(parents=True)
    for number, (name, (first, sectors)) in enumerate(parts.items(), start=1):
        for key, value in {"start": first, "size": sectors, "partition": number}.items():
            guest.write(f"sys/devices/vda/{name}/{key}", f"{value}\n")
        (guest.root / "sys/class/block" / name).symlink_to(place / name)
    guest.write("dev/vda3", "")
    guest.program("findmnt", f'case "$*" in *SOURCE*) echo "{source}" ;; *) echo {kind} ;; esac\n')
    for name in ("sfdisk", "xfs_growfs", "resize2fs", "btrfs", "pvresize", "lvextend"):
        guest.program(name, "")
    guest.program("partx", PARTX)


def grown(guest):
    return [call for call in guest.calls() if call.split()[0] in {"xfs_growfs", "resize2fs", "btrfs", "lvextend"}]


@pytest.mark.parametrize(
    ("kind", "call"),
    [("xfs", "xfs_growfs /"), ("ext4", "resize2fs /dev/vda3"), ("btrfs", "btrfs filesystem resize max /")],
)
def test_a_larger_disk_reaches_the_root_file_system(guest, kind, call):
    disk(guest, kind=kind, source="/dev/vda3[/root]" if kind == "btrfs" else "/dev/vda3")
    start(guest, dataclasses.replace(PUBLIC, users=(), files=()))
    assert guest.read("sfdisk.stdin") == ", +\n"
    assert guest.calls("sfdisk")[0].endswith(" -N 3 /dev/vda")
    assert guest.calls("partx") == ["partx --update --nr 3 /dev/vda"]
    assert grown(guest) == [call]
    assert problems(guest) == []
    assert not (guest.root / "var/lib/imgpipe/growing").exists()


def test_a_larger_disk_of_a_machine_without_identity_grows_at_every_boot(guest):
    disk(guest)
    by_hand(guest)
    assert grown(guest) == ["xfs_growfs /"]
    guest.write("sys/devices/vda/size", "83886080\n")
    guest.program("partx", 'echo 80000000 > "$ROOT/sys/devices/vda/vda3/size"\n')
    by_hand(guest)
    assert grown(guest) == ["xfs_growfs /"] * 2


def test_growth_reaches_through_lvm(guest):
    disk(guest, source="/dev/mapper/vg0-root")
    guest.write("dev/dm-0", "")
    (guest.root / "dev/mapper").mkdir()
    (guest.root / "dev/mapper/vg0-root").symlink_to("../dm-0")
    guest.write("sys/devices/dm-0/dm/uuid", "LVM-abc")
    (guest.root / "sys/devices/dm-0/slaves").mkdir()
    (guest.root / "sys/devices/dm-0/slaves/vda3").symlink_to("../../vda/vda3")
    (guest.root / "sys/class/block/dm-0").symlink_to("../../devices/dm-0")
    start(guest, dataclasses.replace(PUBLIC, users=(), files=()))
    assert guest.calls("pvresize") == ["pvresize /dev/vda3"]
    assert grown(guest) == ["lvextend --extents +100%FREE /dev/mapper/vg0-root", "xfs_growfs /"]
    assert problems(guest) == []


def test_a_disk_that_is_no_larger_is_not_touched(guest):
    disk(guest, size=8388608)
    start(guest, PUBLIC)
    assert grown(guest) == guest.calls("sfdisk") == []


@pytest.mark.parametrize("other", [(8400000, 2048), (2048, 2)])
def test_a_partition_with_something_behind_or_around_it_is_not_grown(guest, other):
    disk(guest)
    guest.write("sys/devices/vda/vda4/start", f"{other[0]}\n")
    guest.write("sys/devices/vda/vda4/size", f"{other[1]}\n")
    start(guest, PUBLIC)
    assert grown(guest) == guest.calls("sfdisk") == []


def test_growth_that_was_interrupted_goes_on_at_the_next_boot(guest):
    disk(guest)
    guest.program("xfs_growfs", 'kill -9 "$PPID"\n')
    give(guest, PUBLIC)
    assert guest.boot().returncode != 0
    guest.program("xfs_growfs", "")
    guest.write("calls", "")
    assert guest.boot().returncode == 0
    assert guest.calls("sfdisk") == []
    assert grown(guest) == ["xfs_growfs /"]


def test_growth_that_fails_is_a_problem_and_not_a_failure(guest):
    disk(guest)
    guest.program("partx", "exit 1\n")
    guest.program("xfs_growfs", "exit 1\n")
    start(guest, dataclasses.replace(PUBLIC, users=(), files=()))
    assert problems(guest) == ["the partition 'vda3' could not be grown", "the file system of / could not be grown"]


# --- the report


def reporting(guest):
    guest.write("sys/class/virtio-ports/vport1p1/name", "org.qemu.guest_agent.0\n")
    guest.write("sys/class/virtio-ports/vport1p2/name", "org.imgpipe.report.0\n")
    guest.write("dev/vport1p2", "")
    guest.write("etc/ssh/ssh_host_rsa_key.pub", "")
    guest.write("etc/machine-id", "0123456789abcdef0123456789abcdef\n")
    guest.program("ssh-keygen", f'echo "3072 SHA256:{"k" * 43} root@x (RSA)"\n')
    guest.program(
        "systemctl", 'case "$1" in is-system-running) echo degraded; exit 1 ;; *) echo "a.service x" ;; esac\n'
    )
    guest.program(
        "ip",
        """case "$*" in
*route*) echo "default via 10.100.1.1 dev enp1s0 proto static" ;;
*enp1s0*) echo '2: enp1s0    inet 10.100.1.10/24 brd 10.100.1.255 scope global enp1s0\\       valid_lft forever'
          echo '2: enp1s0    inet6 fec0::1/64 scope site dynamic \\       valid_lft 86380sec' ;;
esac
""",
    )


def test_a_report_says_what_the_machine_is(guest):
    reporting(guest)
    start(guest, PUBLIC)
    done = guest.run("report", str(guest.root), "1")
    assert done.returncode == 0, done.stderr
    empty, line, rest = (guest.root / "dev/vport1p2").read_bytes().split(b"\n")
    assert (empty, rest) == (b"", b"")
    report = parse_report(line)
    assert report.identity == identity_digest(PUBLIC)
    assert report.machine_id == "0123456789abcdef0123456789abcdef"
    assert report.host_keys == ("SHA256:" + "k" * 43,)
    assert [(nic.name, nic.mac) for nic in report.nics] == [("enp1s0", STATIC.mac), ("enp2s0", DYNAMIC.mac)]
    assert report.addresses == ("10.100.1.10/24", "fec0::1/64")
    assert report.gateways == ("10.100.1.1",)
    assert (report.state, report.failed) == ("degraded", ("a.service",))
    assert report.problems == ("the user ops is not in the group nobody-has-it, which is not there",)


def test_what_a_machine_says_cannot_break_its_report(guest):
    reporting(guest)
    guest.write("etc/machine-id", "uninitialized\n")
    guest.write("var/lib/imgpipe/problems", '"\\ } ] \x1b[2J\n\n' + "x" * 5000 + "\n" + "line\n" * 100)
    guest.program("ssh-keygen", "exit 1\n")
    guest.program("systemctl", "exit 1\n")
    guest.program("ip", "exit 1\n")
    assert guest.run("report", str(guest.root), "1").returncode == 0
    line = (guest.root / "dev/vport1p2").read_bytes().split(b"\n")[1]
    json.loads(line)
    report = parse_report(line)
    assert (report.machine_id, report.identity, report.host_keys, report.state) == ("", "", (), "")
    assert len(report.problems) <= 20


def test_a_machine_without_a_port_has_nobody_to_report_to(guest):
    guest.program("sleep", "")
    assert guest.run("report", str(guest.root)).returncode == 0
