"""What the kickstart says for a recipe."""

import pytest
from el_orders import BY_MAC, DHCP, HASH, ROOT, STATIC, kickstart, recipe, recipe_file

from imgpipe.errors import RecipeError
from imgpipe_el.lint import lint_kickstart
from imgpipe_el.systems import RELEASES, release_of

EL_RECIPES = sorted(
    path
    for path in (ROOT / "recipes").glob("*.toml")
    if recipe_file(path).os in {release.system.name for release in RELEASES}
)
EVERYTHING = {
    "timezone": "Asia/Shanghai",
    "hostname": "template.example.org",
    "kernel_arguments": ["mitigations=auto"],
    "packages": {"add": ["curl", "chrony"], "remove": ["plymouth"]},
    "services": {"enable": ["chronyd"], "disable": ["kdump"]},
    "sysctl": {"vm.swappiness": 10},
    "limits": {"nofile": 1048576, "nproc": 65535},
    "sshd": {"UseDNS": "no"},
    "root": {"keys": ["ssh-ed25519 AAAA one", "ssh-ed25519 BBBB two"]},
    "users": [{"name": "ops", "comment": "Night shift", "groups": ["wheel"], "keys": ["ssh-ed25519 CCCC"]}],
}


@pytest.mark.parametrize("firmware", ["bios", "uefi"])
@pytest.mark.parametrize("layout", ["plain", "lvm"])
@pytest.mark.parametrize("name", [release.system.name for release in RELEASES])
def test_every_release_layout_and_firmware_lints_clean(name, layout, firmware):
    wanted = recipe(
        name, disk={"layout": layout}, machine={"firmware": firmware}, nics=[DHCP, STATIC, BY_MAC], guest=EVERYTHING
    )
    options = {"ntp_servers": ["ntp.example.org", "ntp2.example.org"], "weak_dependencies": False}
    assert lint_kickstart(kickstart(wanted, options=options), release_of(name), firmware) == ()


@pytest.mark.parametrize("selinux", ["enforcing", "permissive", "off"])
@pytest.mark.parametrize("name", ["rocky8", "rocky9", "rocky10", "openeuler24.03", "kylin10"])
def test_the_barest_recipe_lints_clean(name, selinux):
    guest = {"selinux": selinux, "serial_console": False, "classic_nic_names": False, "firewall": True}
    wanted = recipe(name, guest=guest, nics=[], disk={"swap": 0})
    text = kickstart(wanted, options={"kdump": True, "environment": "server-product-environment"}, password="")
    assert lint_kickstart(text, release_of(name), "bios") == ()


@pytest.mark.parametrize("path", EL_RECIPES, ids=lambda path: path.stem)
def test_every_recipe_renders_and_lints_clean(path):
    wanted = recipe_file(path)
    assert lint_kickstart(kickstart(wanted), release_of(wanted.os), wanted.machine.firmware) == ()


def test_uos_speaks_the_language_of_both_its_builds():
    text = kickstart(recipe("uos20", guest=EVERYTHING), options={"weak_dependencies": False})
    assert lint_kickstart(text, release_of("kylin10"), "bios") == ()


@pytest.mark.parametrize("path", [path for path in EL_RECIPES if path.stem.startswith("rocky")], ids=lambda p: p.stem)
def test_the_rocky_recipes_carry_the_runbooks_values(path):
    wanted = recipe_file(path)
    lines = kickstart(wanted).splitlines()
    for line in (
        "lang en_US.UTF-8",
        "keyboard --vckeymap=us",
        "timezone Asia/Shanghai --utc",
        "selinux --disabled",
        "firewall --disabled",
        "services --enabled=chronyd",
        "cdrom",
        "zerombr",
        "ignoredisk --only-use=vda",
        "part biosboot --fstype=biosboot --size=2 --ondisk=vda",
        "part swap --fstype=swap --size=2048 --ondisk=vda",
        "@^minimal-environment",
        "@core",
        "-plymouth",
        "net.ipv4.ip_forward = 0",
        "net.ipv4.tcp_syncookies = 1",
        "net.ipv4.tcp_tw_reuse = 1",
        "net.core.somaxconn = 65535",
        "fs.file-max = 2097152",
        "vm.swappiness = 10",
        "* - nofile 1048576",
        "* - nproc 65535",
        "UseDNS no",
        "GSSAPIAuthentication no",
        "systemctl enable serial-getty@ttyS0.service",
    ):
        assert line in lines
    assert {"curl", "bash-completion", "net-tools", "chrony", "rsyslog", "lsof"} <= set(lines)
    assert not any("tcp_tw_recycle" in line for line in lines)


def test_static_addresses_are_the_runbooks():
    text = kickstart(recipe_file(ROOT / "recipes" / "rocky9-static.toml"))
    assert (
        "network --device=eth0 --bootproto=static --ip=192.168.126.100 --netmask=255.255.255.0 "
        "--gateway=192.168.126.2 --nameserver=192.168.126.2 --onboot=yes --no-activate\n"
        "network --device=eth1 --bootproto=static --ip=123.0.0.1 --netmask=255.255.255.0 --onboot=yes --no-activate\n"
    ) in text


@pytest.mark.parametrize(("guest", "name"), [({}, "localhost.localdomain"), ({"hostname": "web"}, "web")])
def test_the_first_network_line_brings_up_nothing(guest, name):
    lines = [line for line in kickstart(recipe(guest=guest)).splitlines() if line.startswith("network ")]
    assert lines == [
        f"network --hostname={name}",
        "network --device=eth0 --bootproto=dhcp --onboot=yes --no-activate",
    ]


def test_lvm_takes_what_swap_and_boot_leave():
    text = kickstart(recipe_file(ROOT / "recipes" / "rocky9-lvm.toml"))
    assert (
        "clearpart --all --initlabel --disklabel=gpt --drives=vda\n"
        "part biosboot --fstype=biosboot --size=2 --ondisk=vda\n"
        "part /boot --fstype=xfs --size=1024 --ondisk=vda\n"
        "part swap --fstype=swap --size=2048 --ondisk=vda\n"
        "part pv.01 --fstype=lvmpv --size=2048 --grow --ondisk=vda\n"
        "volgroup vg0 pv.01\n"
        "logvol / --vgname=vg0 --name=root --fstype=xfs --percent=100\n"
    ) in text


def test_plain_partitions_end_with_the_growing_root():
    text = kickstart(recipe(machine={"firmware": "uefi"}))
    parts = [line.split()[1] for line in text.splitlines() if line.startswith("part ")]
    assert parts == ["/boot/efi", "/boot", "swap", "/"]
    assert [line for line in text.splitlines() if "--grow" in line] == [
        "part / --fstype=xfs --size=2048 --grow --ondisk=vda"
    ]


@pytest.mark.parametrize(
    ("name", "options", "portable"),
    [("rocky10", {}, True), ("rocky10", {"portable_xfs": False}, False), ("rocky9", {}, False)],
)
def test_xfs_is_made_for_older_hosts_where_it_would_not_be(name, options, portable):
    assert ("--mkfsoptions='-i nrext64=0'" in kickstart(recipe(name), options=options)) == portable


def test_ext4_takes_no_options_of_xfs():
    text = kickstart(recipe("rocky10", disk={"filesystem": "ext4"}))
    assert "nrext64" not in text
    assert "part / --fstype=ext4" in text


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("rocky8", f"rootpw --iscrypted '{HASH}'"),
        ("rocky9", f"rootpw --iscrypted --allow-ssh '{HASH}'"),
        ("openeuler22.03", f"rootpw --iscrypted '{HASH}'"),
    ],
)
def test_root_may_log_in_by_ssh_where_the_release_has_to_be_told(name, line):
    assert line in kickstart(recipe(name)).splitlines()


def test_without_a_password_root_is_locked():
    assert "rootpw --lock" in kickstart(recipe(), password="").splitlines()


@pytest.mark.parametrize(
    ("name", "selinux", "line", "argument"),
    [
        ("rocky8", "off", "selinux --disabled", False),
        ("rocky9", "off", "selinux --disabled", True),
        ("rocky10", "off", "selinux --disabled", True),
        ("rocky9", "permissive", "selinux --permissive", False),
        ("rocky9", "enforcing", "selinux --enforcing", False),
    ],
)
def test_selinux_is_off_by_the_kernel_where_the_file_no_longer_does_it(name, selinux, line, argument):
    text = kickstart(recipe(name, guest={"selinux": selinux}))
    (boot_loader,) = [found for found in text.splitlines() if found.startswith("bootloader ")]
    assert line in text.splitlines()
    assert ("selinux=0" in boot_loader) == argument


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("rocky8", "timezone UTC --utc --ntpservers=a.example.org,b.example.org"),
        ("rocky10", "timezone UTC --utc\ntimesource --ntp-server=a.example.org\ntimesource --ntp-server=b.example.org"),
    ],
)
def test_ntp_servers_are_said_in_the_releases_words(name, line):
    assert f"\n{line}\n" in kickstart(recipe(name), options={"ntp_servers": ["a.example.org", "b.example.org"]})


def test_sshd_settings_go_where_sshd_reads_them_first():
    guest = {"sshd": {"UseDNS": "no"}}
    assert "/etc/ssh/sshd_config.d/00-imgpipe.conf" in kickstart(recipe("rocky9", guest=guest))
    old = kickstart(recipe("rocky8", guest=guest))
    assert "sshd_config.d" not in old
    assert 'cat /etc/ssh/sshd_config >>"$merged"' in old


def test_a_machine_without_serial_console_loses_the_installers():
    text = kickstart(recipe(guest={"serial_console": False}))
    assert "grubby --update-kernel=ALL --remove-args=console=ttyS0,115200n8" in text
    assert "serial-getty" not in text


def test_a_high_nofile_limit_raises_what_bounds_it():
    assert "fs.nr_open = 2000000" in kickstart(recipe(guest={"limits": {"nofile": 2000000}}))


@pytest.mark.parametrize(
    ("tables", "named"),
    [
        ({"guest": {"sysctl": {"net.ipv4.tcp_tw_recycle": 0}}}, "tcp_tw_recycle"),
        ({"guest": {"sysctl": {"fs.nr_open": 4096}, "limits": {"nofile": 8192}}}, "fs.nr_open"),
        ({"guest": {"sshd": {"Match": "all"}}}, "Match"),
        ({"machine": {"disk": "4 GiB"}}, "too small"),
        ({"install": {"kernel_arguments": ["inst.ks=cdrom:/ks.cfg"]}}, "inst.ks=cdrom"),
        ({"install": {"kernel_arguments": ["selinux=0"]}}, "selinux=0"),
    ],
)
def test_what_cannot_work_is_refused_with_a_hint(tables, named):
    with pytest.raises(RecipeError, match=named) as refusal:
        kickstart(recipe(**tables))
    assert refusal.value.hint


def test_a_setting_is_refused_only_where_the_kernel_lost_it():
    guest = {"sysctl": {"kernel.sched_latency_ns": 1}}
    assert "kernel.sched_latency_ns = 1" in kickstart(recipe("rocky8", guest=guest))
    with pytest.raises(RecipeError, match=r"5\.13"):
        kickstart(recipe("rocky9", guest=guest))


@pytest.mark.parametrize(("name", "version"), [("rocky8", "RHEL8"), ("kylin10", "F29"), ("rocky10", "RHEL10")])
def test_the_first_line_names_the_language(name, version):
    assert kickstart(recipe(name)).splitlines()[0] == f"#version={version}"


@pytest.mark.parametrize(
    ("os", "keyboard", "line"),
    [
        ("rocky8", "uk", "keyboard --vckeymap=uk"),
        ("rocky9", "de-nodeadkeys", "keyboard --vckeymap=de-nodeadkeys"),
        ("openeuler22.03", "jp106", "keyboard --vckeymap=jp106"),
        ("rocky10", "bg", "keyboard --vckeymap=bg_bds-utf8"),
    ],
)
def test_the_keyboard_is_the_consoles_keymap(os, keyboard, line):
    assert line in kickstart(recipe(os, guest={"keyboard": keyboard})).splitlines()


@pytest.mark.parametrize("keyboard", ["de-frobnicate", "th"])
def test_a_keyboard_that_the_console_has_not_is_refused_with_the_nearest(keyboard):
    with pytest.raises(RecipeError) as refused:
        kickstart(recipe(guest={"keyboard": keyboard}))
    (fault,) = refused.value.details
    assert f"knows no console keymap '{keyboard}'; the nearest are '" in fault


def test_a_nic_with_dhcp_beside_a_gateway_is_no_default_route():
    nics = [{"name": "eth0"}, {"name": "eth1", "address": "192.0.2.7/24", "gateway": "192.0.2.1"}]
    told = {line.split()[1]: line for line in kickstart(recipe(nics=nics)).splitlines() if "--device" in line}
    assert "--nodefroute" in told["--device=eth0"]
    assert "--nodefroute" not in told["--device=eth1"]


def test_names_of_packages_are_written_as_they_are_for_no_shell_reads_them():
    names = ["php-*", "@^server-product-environment", "gcc-c++", "@php:8.1"]
    text = kickstart(recipe(guest={"packages": {"add": names, "remove": ["plymouth*"]}}))
    section = text[text.index("%packages") :].partition("%end")[0].splitlines()
    assert section[-len(names) - 1 :] == [*names, "-plymouth*"]


@pytest.mark.parametrize("name", ["^x", "@", "a^b"])
def test_what_is_no_name_of_a_package_is_refused(name):
    with pytest.raises(RecipeError, match="no name of a package"):
        kickstart(recipe(guest={"packages": {"add": [name]}}))
