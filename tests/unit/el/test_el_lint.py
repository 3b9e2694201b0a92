"""What `imgpipe lint` says of a kickstart."""

from pathlib import Path

import pytest
from el_orders import faults

from imgpipe_el import plugin
from imgpipe_el.lint import lint_kickstart
from imgpipe_el.systems import release_of

OPERATORS = (Path(__file__).parent / "operators.ks").read_text(encoding="utf-8")
SOUND = """\
cmdline
cdrom
poweroff
lang en_US.UTF-8
timezone UTC --utc
rootpw --lock
zerombr
clearpart --all --initlabel --disklabel=gpt
reqpart --add-boot
part / --size=2048 --grow
%packages
@core
%end
"""
LAYOUT = "reqpart --add-boot\npart / --size=2048 --grow\n"
LAYOUT_LINE = 9


def found(text, os="rocky9", firmware="bios"):
    return lint_kickstart(text, release_of(os), firmware)


def post(*lines, os="rocky9"):
    """Return what is found in a %post of these lines, whose first has the number 1."""
    script = "\n".join(("%post --erroronfail", *lines, "%end", ""))
    start = SOUND.count("\n") + 1
    return [(line - start, severity, text) for line, severity, text in faults(found(SOUND + script, os))]


def laid_out(layout, os="rocky9", firmware="bios", label=" --disklabel=gpt"):
    """Return what is found with this layout, whose first line has the number 1."""
    text = SOUND.replace(LAYOUT, layout).replace(" --disklabel=gpt", label)
    return [
        (fault.line - LAYOUT_LINE + 1 if fault.line else 0, fault.severity, fault.text)
        for fault in found(text, os, firmware)
    ]


@pytest.mark.parametrize("os", ["rocky8", "rocky9", "rocky10", "kylin10", "openeuler24.03"])
@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_a_sound_kickstart_has_no_faults(os, firmware):
    assert found(SOUND, os, firmware) == ()


def test_the_familys_hook_leads_here():
    (family,) = plugin.imgpipe_os_families()
    assert family.lint("reboot\n", family.systems[0], "bios") == found("reboot\n", family.systems[0].name)


def test_linting_prints_nothing(capfd):
    found(OPERATORS, "rocky10")
    assert capfd.readouterr() == ("", "")


EVERYWHERE = [
    (2, "warning", "In text mode"),
    (4, "warning", "'reboot'"),
    (9, "error", "unrecognized arguments: --noactivate"),
    (10, "warning", "plain text"),
    (22, "error", "--size and --percent"),
    (24, "warning", "'--ignoremissing'"),
    (33, "warning", "no package 'audio'"),
    (37, "warning", "Without '--erroronfail'"),
    (39, "warning", "this is ignored"),
    (40, "warning", "timedatectl"),
    (44, "warning", "login sessions only"),
    (54, "warning", "'net.ipv4.tcp_tw_recycle' was removed in Linux 4.12"),
    (59, "warning", "installer's kernel"),
]
ONLY = {
    "rocky8": [(17, "warning", "msdos label")],
    "rocky9": [
        (7, "warning", "--isUtc"),
        (11, "warning", "SELinux stays on"),
        (17, "warning", "msdos label"),
        (42, "warning", "sshd_config.d"),
        (43, "warning", "sshd_config.d"),
    ],
    "rocky10": [
        (7, "error", "--isUtc"),
        (11, "warning", "SELinux stays on"),
        (42, "warning", "sshd_config.d"),
        (43, "warning", "sshd_config.d"),
    ],
}


@pytest.mark.parametrize("os", ONLY)
def test_the_operators_own_kickstart_is_told_every_fault_with_its_line(os):
    expected = sorted(EVERYWHERE + ONLY[os])
    told = faults(found(OPERATORS, os))
    assert [fault[:2] for fault in told] == [fault[:2] for fault in expected]
    for fault, (_, _, part) in zip(told, expected, strict=True):
        assert part in fault[2]


@pytest.mark.parametrize(
    ("line", "os", "severity", "part"),
    [
        ("install", "rocky8", "warning", "Drop the line"),
        ("install", "rocky9", "error", "Drop the line"),
        ("auth --useshadow", "rocky9", "warning", "authselect"),
        ("auth --useshadow", "rocky10", "error", "authselect"),
        ("logging --level=info", "rocky10", "error", "Drop the option"),
        ("autostep", "rocky10", "error", "no steps"),
        ("timesource --ntp-server=a.example.org", "rocky8", "error", "timezone --ntpservers"),
        ("vnc", "rocky9", "warning", "waits for a person"),
        ("graphical", "rocky9", "warning", "waits for a person"),
        ("bogus --really", "rocky9", "error", "Unknown command: bogus"),
        ('network --hostname="open', "rocky9", "error", "quotes do not match"),
        ("bootloader --location=none", "rocky9", "error", "No boot loader"),
        ("bootloader --append='inst.text quiet'", "rocky9", "warning", "'inst.text' is for the installer"),
        ("bootloader --password=secret", "rocky9", "warning", "password of 'bootloader' is in plain text"),
        ("user --name=a --password=secret", "rocky9", "warning", "password of 'user' is in plain text"),
        ("sshpw --username=root secret", "rocky9", "warning", "password of 'sshpw' is in plain text"),
        ("ignoredisk --only-use=sda", "rocky9", "error", "no disk 'sda'"),
        ("%include /tmp/more.ks", "rocky9", "warning", "not checked"),
    ],
)
def test_a_directive_is_reported_with_its_line(line, os, severity, part):
    told = [fault for fault in faults(found(f"# first\n{line}\n{SOUND}", os)) if fault[0] == 2]
    assert any(fault[1] == severity and part in fault[2] for fault in told), told


@pytest.mark.parametrize(
    ("lines", "waits"),
    [
        ("network --device=eth0 --bootproto=dhcp --no-activate", True),
        ("network --device=eth0", True),
        ("network --device=eth0 --bootproto=static --ip=10.0.0.2 --netmask=255.255.255.0", False),
        ("network --hostname=web\nnetwork --device=eth0 --bootproto=dhcp --no-activate", False),
    ],
)
def test_a_first_nic_that_waits_for_dhcp_is_reported(lines, waits):
    told = [fault for fault in found(f"{lines}\n{SOUND}") if "DHCP" in fault.text]
    assert [(fault.line, fault.severity) for fault in told] == ([(1, "warning")] if waits else [])


def test_credentials_in_an_address_are_reported():
    told = faults(found(SOUND.replace("cdrom\n", "url --url=http://me:secret@repo.example.org/os\n")))
    assert [fault[:2] for fault in told] == [(2, "warning"), (2, "warning")]
    assert any("plain text" in fault[2] for fault in told)
    assert not any("secret" in fault[2] for fault in told)


@pytest.mark.parametrize(
    "line",
    [
        "rootpw --plaintext first hunter2",
        "rootpw --iscrypted hunter2 --allow-ssh=hunter2",
        "user --name=ops --password=hunter2 hunter2",
        "user --passwd=hunter2 --name=ops",
        "sshpw --username=root hunter2 --bogus hunter2",
        "bootloader --passwort=hunter2",
    ],
)
def test_a_password_is_never_repeated(line):
    told = [fault for fault in found(f"{line}\n{SOUND}", "rocky8") if fault.line == 1]
    assert told
    assert not any("hunter2" in fault.text for fault in told)


def test_hashes_are_no_plain_text():
    text = SOUND.replace(
        "rootpw --lock",
        "rootpw --iscrypted $6$saltsalt$abcdefgh\nuser --name=a --iscrypted --password=$6$saltsalt$abcdefgh",
    )
    assert found(text) == ()


def test_two_keys_of_one_user_are_no_fault():
    assert found(SOUND + "sshkey --username=root 'ssh-rsa A'\nsshkey --username=root 'ssh-rsa B'\n") == ()


@pytest.mark.parametrize(
    ("dropped", "part"),
    [
        ("poweroff\n", "Nothing ends the installation"),
        ("rootpw --lock\n", "Neither 'rootpw' nor a 'user'"),
        ("timezone UTC --utc\n", "'timezone' is missing"),
        ("%packages\n@core\n%end\n", "'%packages' is missing"),
        (LAYOUT, "Nothing is mounted at '/'"),
        ("zerombr\n", "'zerombr' is missing"),
        ("cdrom\n", "No installation source"),
    ],
)
def test_what_is_missing_is_reported_without_a_line(dropped, part):
    told = faults(found(SOUND.replace(dropped, "")))
    assert any(line == 0 and part in text for line, _, text in told), told


@pytest.mark.parametrize(
    ("user", "enough"),
    [
        ("user --name=ops --groups=wheel --iscrypted --password=$6$saltsalt$abcdefgh", True),
        ("user --name=ops --groups=users --iscrypted --password=$6$saltsalt$abcdefgh", False),
        ("user --name=ops --groups=wheel --lock", False),
    ],
)
def test_an_administrator_is_as_good_as_root(user, enough):
    assert (found(SOUND.replace("rootpw --lock", user)) == ()) == enough


def test_what_may_be_included_is_not_called_missing():
    told = faults(found("%include /tmp/rest.ks\npoweroff\n"))
    assert [fault[:2] for fault in told] == [(1, "warning")]


def test_a_section_without_end_is_reported_where_it_opens():
    told = faults(found(SOUND + "%post --erroronfail\ntrue\n%pre --erroronfail\ntrue\n%end\n"))
    assert told == [(14, "error", "The section '%post' does not end with '%end'.")]


def test_an_end_too_many_is_reported():
    assert faults(found(SOUND + "%end\n")) == [(14, "error", "This '%end' ends no section.")]


def test_an_unknown_section_is_reported():
    assert faults(found(SOUND + "%psot\n%end\n")) == [(14, "error", "There is no section '%psot'.")]


def test_windows_line_ends_are_reported_once():
    told = [fault for fault in found(SOUND.replace("\n", "\r\n")) if "Windows" in fault.text]
    assert [fault.line for fault in told] == [1]


BIOSBOOT = "part biosboot --fstype=biosboot --size=2\n"
ROOT = "part /boot --size=1024\npart / --size=2048 --grow\n"


@pytest.mark.parametrize(
    ("layout", "os", "firmware", "label", "expected"),
    [
        (BIOSBOOT + ROOT, "rocky9", "bios", " --disklabel=gpt", []),
        (ROOT, "rocky9", "bios", "", []),
        (ROOT, "rocky9", "bios", " --disklabel=gpt", [(0, "error", "biosboot")]),
        (ROOT, "rocky10", "bios", "", [(0, "error", "biosboot")]),
        (BIOSBOOT + ROOT, "rocky9", "bios", "", [(1, "warning", "msdos")]),
        (BIOSBOOT + ROOT, "rocky10", "bios", "", []),
        (BIOSBOOT.replace("=2", "=4") + ROOT, "rocky10", "bios", "", [(1, "error", "at most 2 MiB")]),
        (BIOSBOOT + ROOT, "rocky9", "uefi", "", [(0, "error", "/boot/efi"), (1, "warning", "no use")]),
        ("part /boot/efi --fstype=efi --size=200\n" + ROOT, "rocky9", "uefi", "", []),
        (ROOT, "rocky9", "uefi", "", [(0, "error", "/boot/efi")]),
        ("autopart\n", "rocky10", "uefi", "", []),
        (BIOSBOOT + ROOT.replace("1024", "1024 --ondisk=sda"), "rocky10", "bios", "", [(2, "error", "'sda'")]),
    ],
)
def test_layouts_are_judged_by_firmware_and_label(layout, os, firmware, label, expected):
    told = laid_out(layout, os, firmware, label)
    # The label is chosen by clearpart, so a missing biosboot is that line's fault.
    placed = [(max(line, 0), severity, text) for line, severity, text in told]
    assert [fault[:2] for fault in placed] == [fault[:2] for fault in expected]
    for fault, (_, _, part) in zip(placed, expected, strict=True):
        assert part in fault[2]


def test_volumes_need_their_group_and_their_partition():
    told = laid_out(f"{BIOSBOOT}volgroup vg0 pv.01\nlogvol / --vgname=vg1 --name=root --percent=100\n")
    assert told == [
        (2, "error", "No partition is called 'pv.01'."),
        (3, "error", "No 'volgroup' makes the volume group 'vg1'."),
    ]


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("systemctl start chronyd", "this is ignored"),
        ("systemctl restart sshd || true", "this is ignored"),
        ("if true; then systemctl --quiet restart sshd; fi", "this is ignored"),
        ("systemctl enable --now chronyd", "this is ignored"),
        ("/usr/bin/systemctl daemon-reload", "this is ignored"),
        ("service sshd restart", "this is ignored"),
        ("timedatectl set-timezone UTC", "timezone"),
        ("hostnamectl set-hostname a", "network --hostname"),
        ("hostname a", "network --hostname"),
        ("localectl set-locale LANG=C", "lang"),
        ("nmcli con mod eth0 ipv4.method auto", "NetworkManager"),
        ("ip addr add 10.0.0.1/24 dev eth0", "network"),
        ("sysctl -p", "sysctl.d"),
        ("sysctl -w vm.swappiness=10", "sysctl.d"),
        ("echo 1 > /proc/sys/net/ipv4/ip_forward", "sysctl.d"),
        ("setenforce 0", "selinux"),
        ("setsebool httpd_can_network_connect on", "-P"),
        ("firewall-cmd --permanent --add-service=http", "firewall-offline-cmd"),
        ("modprobe br_netfilter", "modules-load.d"),
        ("dnf -y install vim", "network"),
        ("echo root:secret | chpasswd", "plain text"),
        ("echo secret | passwd --stdin root", "plain text"),
        ("echo kernel.exec-shield=1 >> /etc/sysctl.conf", "never in Linux"),
    ],
)
def test_commands_without_effect_are_reported_with_their_line(line, part):
    told = post("true", line)
    assert [fault[:2] for fault in told] == [(2, "warning")]
    assert part in told[0][2]


@pytest.mark.parametrize("line", ["reboot", "/sbin/shutdown -r now", "systemctl reboot", "init 6"])
def test_ending_the_installer_from_a_script_is_an_error(line):
    assert [fault[:2] for fault in post(line)] == [(1, "error")]


@pytest.mark.parametrize(
    "line",
    [
        "systemctl enable chronyd",
        "systemctl set-default multi-user.target",
        "# systemctl start chronyd",
        "echo reboot needed >/etc/motd",
        "ip addr show",
        "sysctl -n kernel.ostype",
        "setsebool -P httpd_can_network_connect on",
        "echo 'root:$6$saltsalt$abcdefgh' | chpasswd -e",
        "echo vm.swappiness=10 > /etc/sysctl.d/90.conf",
        "hostname",
    ],
)
def test_ordinary_commands_are_no_fault(line):
    assert post(line) == []


def test_the_body_of_a_here_document_is_no_command():
    assert post("cat >/etc/rc.local <<'EOF'", "systemctl start chronyd", "reboot", "EOF") == []


def test_what_follows_a_here_document_is():
    assert [fault[0] for fault in post("cat >/x <<-EOF", "reboot", "\tEOF", "reboot")] == [4]


def test_sshd_settings_are_edited_in_place_only_where_that_works():
    line = "sed -i 's/^#UseDNS.*/UseDNS no/' /etc/ssh/sshd_config"
    assert post(line, os="rocky8") == []
    assert [fault[:2] for fault in post(line, os="rocky9")] == [(1, "warning")]


def test_settings_are_judged_by_the_releases_kernel():
    line = "echo kernel.sched_latency_ns=1 > /etc/sysctl.d/90.conf"
    assert post(line, os="rocky8") == []
    assert "5.13" in post(line, os="rocky9")[0][2]
