"""The answers: what is asked for is in them, and no value can write more than its own."""

import shlex
from dataclasses import replace

import pytest

from imgpipe.errors import RecipeError
from imgpipe.host.debian_mirror import Mirror
from imgpipe_debian import partitions, preseed
from imgpipe_debian.settings import Disk, Limit, Nic, PreseedSettings, Sources, Tuning, User

MIRROR = Mirror(protocol="http", host="mirror.example", directory="/debian")
PLAIN = PreseedSettings(token="fixed-word", sources=Sources(mirror=MIRROR))
KEY = "ssh-ed25519 AAAAC3Nz it's `me` $(id)"


def answers(settings):
    """Return the preseed file as debconf-set-selections reads it: question to (type, value)."""
    found = {}
    for line in preseed.render(settings).splitlines():
        assert not line.endswith("\\")
        if line and not line.startswith("#"):
            owner, question, kind, *value = line.split(" ", 3)
            assert owner == "d-i"
            assert question not in found
            found[question] = (kind, "".join(value))
    return found


def commands(settings):
    """Return the words of each line of the script that has any, as the shell would split them."""
    text = preseed.render_script(settings)
    return [
        shlex.split(line)
        for line in text.splitlines()
        if line.startswith(("in_target", "write", "authorize", "report"))
    ]


def test_the_mirror_is_given_in_pieces():
    found = answers(PLAIN)
    assert found["mirror/http/hostname"] == ("string", "mirror.example")
    assert found["mirror/http/directory"] == ("string", "/debian")
    assert found["mirror/http/proxy"] == ("string", "")
    assert found["mirror/suite"] == ("string", "trixie")


def test_an_https_mirror_has_questions_of_its_own():
    found = answers(replace(PLAIN, sources=Sources(mirror=replace(MIRROR, protocol="https"), suite="bookworm")))
    assert found["mirror/https/hostname"] == ("string", "mirror.example")
    assert found["mirror/suite"] == ("string", "bookworm")


def test_without_a_mirror_the_medium_must_do():
    found = answers(replace(PLAIN, sources=Sources()))
    assert found["apt-setup/use_mirror"] == ("boolean", "false")
    assert not any(question.startswith("mirror/") for question in found)


def test_packages_are_asked_for_once_each_and_checked_afterwards():
    settings = replace(PLAIN, packages=("curl", "openssh-server", "chrony"))
    assert answers(settings)["pkgsel/include"] == ("string", "openssh-server curl chrony")
    assert "for package in openssh-server curl chrony; do" in preseed.render_script(settings)


def test_the_serial_console_is_the_last_of_the_target():
    value = answers(replace(PLAIN, kernel_arguments=("mitigations=off",)))["debian-installer/add-kernel-opts"][1]
    assert value == "net.ifnames=0 biosdevname=0 mitigations=off console=tty0 console=ttyS0,115200n8"


def test_predictable_names_are_kept_when_asked_for():
    settings = replace(PLAIN, classic_names=False)
    assert "net.ifnames" not in " ".join((*settings.target_arguments, *preseed.install_arguments(settings)))


def test_the_script_is_run_by_the_installer_itself():
    assert answers(PLAIN)["preseed/early_command"] == ("string", f"sh /{preseed.SCRIPT} early")
    assert "/usr/lib/finish-install.d/94z" in preseed.render_script(PLAIN)


def test_the_proof_is_the_last_thing_said():
    lines = preseed.render_script(PLAIN).splitlines()
    assert lines[-1] == "report 'IMGPIPE-INSTALL-OK fixed-word'"
    assert f"write {preseed.PROOF} 644 fixed-word" in lines


def test_a_static_card_and_a_dhcp_card():
    nics = (
        Nic(name="eth0"),
        Nic(name="eth1", address="192.0.2.7/24", gateway="192.0.2.1", dns=("192.0.2.2",)),
    )
    text = preseed.interfaces(nics)
    assert "allow-hotplug eth0\niface eth0 inet dhcp\n    metric 1000\n" in text
    assert "metric" not in preseed.interfaces((Nic(name="eth0"),))
    assert "auto eth1\niface eth1 inet static\n    address 192.0.2.7/24\n    gateway 192.0.2.1\n" in text
    assert "nameserver 192.0.2.2" in preseed.render_script(replace(PLAIN, nics=nics))


def test_a_card_known_by_its_mac_gets_its_name():
    script = commands(replace(PLAIN, nics=(Nic(name="lan0", mac="52:54:00:12:34:56"),)))
    assert [
        "write",
        "/etc/systemd/network/10-lan0.link",
        "644",
        "[Match]",
        "MACAddress=52:54:00:12:34:56",
        "[Link]",
        "Name=lan0",
    ] in script


def test_keys_and_groups_reach_the_user_unchanged():
    script = commands(replace(PLAIN, users=(User(name="ops", keys=(KEY,), groups=("adm", "sudo")),)))
    assert ["authorize", "ops", KEY] in script
    assert [
        "in_target",
        "useradd",
        "--create-home",
        "--shell",
        "/bin/bash",
        "--password",
        "!",
        "--groups",
        "adm,sudo",
        "ops",
    ] in script


def test_settings_become_files():
    tuning = Tuning(
        sshd=(("UseDNS", "no"),),
        sysctl=(("vm.swappiness", "10"),),
        limits=(Limit(domain="*", kind="-", item="nofile", value="1048576"),),
        enable=("chrony",),
        disable=("cron.service",),
    )
    script = commands(replace(PLAIN, tuning=tuning))
    assert ["write", "/etc/ssh/sshd_config.d/00-imgpipe.conf", "600", "UseDNS no"] in script
    assert ["write", "/etc/sysctl.d/90-imgpipe.conf", "644", "vm.swappiness = 10"] in script
    assert ["write", "/etc/security/limits.d/90-imgpipe.conf", "644", "* - nofile 1048576"] in script
    assert ["in_target", "systemctl", "enable", "chrony"] in script
    assert ["in_target", "systemctl", "disable", "cron.service"] in script


def test_a_shells_words_stay_words():
    value = "no'; reboot; echo '$(id) `id` \\"
    script = commands(replace(PLAIN, tuning=Tuning(sshd=(("Banner", value),))))
    assert ["write", "/etc/ssh/sshd_config.d/00-imgpipe.conf", "600", f"Banner {value}"] in script


BAD_LINE = "x\nd-i preseed/late_command string reboot"


@pytest.mark.parametrize(
    "fault",
    [
        {"token": BAD_LINE},
        {"token": "a b"},
        {"hostname": BAD_LINE},
        {"hostname": "a\\"},
        {"locale": "en_US.UTF-8\n"},
        {"keyboard": "us; reboot"},
        {"timezone": "../etc/passwd"},
        {"packages": ("curl; reboot",)},
        {"packages": ("-oDebug=1",)},
        {"packages": (BAD_LINE,)},
        {"kernel_package": "linux image"},
        {"kernel_arguments": ("a b",)},
        {"kernel_arguments": ("a\\",)},
        {"console": "ttyS0; reboot"},
        {"root_password_hash": "plain text"},
        {"root_password_hash": "$6$abc$def\n"},
        {"root_password_hash": "$6$abc$def\\"},
        {"root_keys": ("ssh-ed25519 AAAA x\nssh-ed25519 BBBB",)},
        {"install_nic": "eth0 eth1"},
        {"disk": Disk(device="/dev/vda /dev/vdb")},
        {"disk": Disk(boot_mib=1)},
        {"sources": Sources(suite="trixie main")},
        {"sources": Sources(proxy="http://a b")},
        {"sources": Sources(services=("backdoor",))},
        {"nics": (Nic(name="eth0\nauto eth1"),)},
        {"nics": (Nic(name="eth0", address="192.0.2.7/33"),)},
        {"nics": (Nic(name="eth0", address="192.0.2.7/24", gateway="here"),)},
        {"nics": (Nic(name="eth0", gateway="192.0.2.1"),)},
        {"nics": (Nic(name="eth0"), Nic(name="eth0"))},
        {"nics": (Nic(name="eth0", mac="52:54:00:12:34"),)},
        {"users": (User(name="root; reboot"),)},
        {"users": (User(name="ops", password_hash="secret"),)},
        {"users": (User(name="ops", groups=("a,b c",)),)},
        {"users": (User(name="ops", keys=("ssh-ed25519 AAAA x\nssh-ed25519 BBBB",)),)},
        {"users": (User(name="ops", keys=("ssh-ed25519 AAAA x", "ssh-ed25519 AAAA 'x\nroot'")),)},
        {"tuning": Tuning(sshd=(("UseDNS", "no\nPermitRootLogin yes"),))},
        {"tuning": Tuning(sysctl=(("vm.x = 1\nvm.y", "2"),))},
        {"tuning": Tuning(enable=("chrony; reboot",))},
        {"tuning": Tuning(limits=(Limit(domain="*", kind="-", item="nofile", value="1\n* - nproc 1"),))},
    ],
    ids=str,
)
def test_what_could_write_more_than_its_own_value_is_refused(fault):
    with pytest.raises(RecipeError) as error:
        replace(PLAIN, **fault)
    assert len(error.value.details) >= 1


def test_all_faults_are_told_at_once_and_no_secret_is():
    with pytest.raises(RecipeError) as error:
        replace(PLAIN, hostname="A", keyboard="U", root_password_hash="secret")
    text = "\n".join(error.value.details)
    assert len(error.value.details) == 3
    assert "secret" not in text


def test_hashes_are_not_in_the_repr():
    assert "$6$" not in repr(
        replace(PLAIN, root_password_hash="$6$a$b", users=(User(name="a", password_hash="$6$c$d"),))
    )


def parts(disk):
    name, _, rest = partitions.recipe(disk).partition(" :: ")
    assert name == "imgpipe"
    assert rest.endswith(" .")
    return [part.strip() for part in rest.removesuffix(" .").split(" . ")]


@pytest.mark.parametrize(("firmware", "method"), [("bios", "biosgrub"), ("uefi", "efi")])
@pytest.mark.parametrize("layout", ["plain", "lvm"])
def test_the_root_file_system_is_last_and_takes_the_rest(firmware, method, layout):
    found = parts(Disk(firmware=firmware, layout=layout, filesystem="xfs"))
    assert f"method{{ {method} }}" in found[0]
    assert "mountpoint{ /boot }" in found[1]
    assert "$lvmok{ }" not in found[1]
    assert "linux-swap" in found[2]
    assert "mountpoint{ / }" in found[3]
    assert found[3].split()[2] == "-1"
    assert ("$lvmok{ }" in found[3]) == (layout == "lvm")


def test_sizes_are_rounded_up_to_the_recipes_decimal_unit():
    assert parts(Disk(boot_mib=1024))[1].startswith("1074 1074 1074 ")


def test_no_swap_is_no_partition():
    assert not any("swap" in part for part in parts(Disk(swap_mib=0)))
