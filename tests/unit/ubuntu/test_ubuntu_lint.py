"""Lint of autoinstall user-data: each fault that it knows, with its line."""

from __future__ import annotations

import copy

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from ubuntu_orders import HASH, order

from imgpipe_ubuntu.document import seed_script
from imgpipe_ubuntu.lint import lint
from imgpipe_ubuntu.prepare import prepare
from imgpipe_ubuntu.systems import JAMMY, NOBLE

GOOD = f"""\
#cloud-config
autoinstall:
  version: 1
  locale: en_US.UTF-8
  keyboard: {{layout: us}}
  network:
    version: 2
    ethernets:
      eth0: {{dhcp4: true}}
  identity:
    username: ops
    hostname: template
    password: {HASH}
  storage:
    layout:
      name: direct
  late-commands:
    - curtin in-target -- systemctl enable chrony
    - echo 'IMGPIPE-INSTALL-OK ubuntu24.04' >/dev/ttyS0
  shutdown: poweroff
"""


def texts(text, firmware="bios", system=NOBLE.system):
    return [(fault.line, fault.severity, fault.text) for fault in lint(text, system, firmware)]


def only(text, firmware="bios"):
    (found,) = texts(text, firmware)
    return found


def changed(old, new):
    assert old in GOOD
    return GOOD.replace(old, new)


@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_a_sound_file_has_no_fault(firmware):
    assert texts(GOOD, firmware) == []


FAULTS = [
    ("#cloud-config", "#cloud-config please", 1, "error", "first line"),
    ("  version: 1", "  version: 2", 3, "error", "'version' must be one of 1"),
    ("  locale: en", "  local: en", 4, "warning", "did you mean 'locale'"),
    ("  locale: en_US.UTF-8", "  locale: 7", 4, "error", "of type string"),
    ("{layout: us}", "{variant: intl}", 5, "error", "'layout'"),
    ("    version: 2", "    version: 1", 7, "error", "network.version"),
    ("{dhcp4: true}", "{gateway4: 10.0.0.1}", 9, "warning", "gateway4"),
    (HASH, "secret", 13, "error", "crypt(5)"),
    ("name: direct", "name: raid", 16, "error", "layout must be one of"),
    ("name: direct", "{name: lvm, password: x}", 16, "warning", "passphrase"),
    ("shutdown: poweroff", "shutdown: reboot", 20, "warning", "ends a build as well"),
    ("shutdown: poweroff", "shutdown: poweroff\n  interactive-sections: [network]", 21, "error", "human"),
    ("shutdown: poweroff", "shutdown: poweroff\n  ubuntu-advantage: {}", 21, "warning", "deprecated"),
    ("shutdown: poweroff", "shutdown: poweroff\n  zdevs: []", 21, "warning", "24.10"),
    ("shutdown: poweroff", "shutdown: poweroff\n  refresh-installer: {update: yes}", 21, "warning", "replace itself"),
    ("shutdown: poweroff", "shutdown: poweroff\n  updates: none", 21, "error", "'updates' must be one of"),
    ("shutdown: poweroff", "shutdown: poweroff\nstorage: {}", 21, "error", "belongs under"),
    ("shutdown: poweroff", "shutdown: poweroff\n  locale: C", 21, "error", "there twice"),
    ("echo 'IMGPIPE-INSTALL-OK ubuntu24.04' >/dev/ttyS0", "'true'", 17, "warning", "must end with"),
    (
        "shutdown: poweroff",
        "shutdown: poweroff\n  user-data: {users: [{name: a, plain_text_passwd: b}]}",
        21,
        "warning",
        "plain text",
    ),
    ("shutdown: poweroff", "shutdown: poweroff\n  user-data: {password: b}", 21, "warning", "plain text"),
    ("shutdown: poweroff", "shutdown: poweroff\n  user-data: {chpasswd: {list: 'a:b'}}", 21, "warning", "plain text"),
]


@pytest.mark.parametrize(("old", "new", "line", "severity", "text"), FAULTS)
def test_a_fault_is_found_on_its_line(old, new, line, severity, text):
    # 'name: direct' becomes a mapping in one case: flow style keeps it on its line.
    source = (
        changed("layout:\n      name: direct", f"layout:\n      {new}")
        if new.startswith("{name")
        else changed(old, new)
    )
    number, found, said = only(source)
    assert (number, found) == (line, severity)
    assert text in said


@pytest.mark.parametrize(
    ("command", "severity", "text"),
    [
        ("curtin in-target -- systemctl start chrony", "warning", "cannot be started"),
        ("curtin in-target -- service ssh restart", "warning", "cannot be started"),
        ("sysctl -p /target/etc/sysctl.conf", "warning", "installer's kernel"),
        ("curtin in-target -- sysctl --system", "warning", "installer's kernel"),
        ("timedatectl set-timezone UTC", "warning", "installer's own"),
        ("curtin in-target -- apt-get install vim", "warning", "--yes"),
        ("echo x >> /etc/motd", "warning", "/target/etc"),
        ("sed -i s/a/b/ /etc/ssh/sshd_config", "warning", "/target/etc"),
        ("curtin in-target -- poweroff", "warning", "too early"),
        ("sleep 1; poweroff", "error", "too early"),
        ("[systemctl, reboot]", "error", "too early"),
    ],
)
def test_a_pitfall_of_late_commands_is_found(command, severity, text):
    line, found, said = only(changed("curtin in-target -- systemctl enable chrony", command))
    assert (line, found) == (18, severity)
    assert text in said


@pytest.mark.parametrize(
    "command",
    [
        "curtin in-target -- apt-get install -y vim",
        "curtin in-target -- apt-get --yes install vim",
        "echo x >/target/etc/motd",
        "curtin in-target -- sh -c 'echo x >/etc/motd'",
        "cp /cdrom/reboot.sh /target/root",
    ],
)
def test_a_sound_late_command_is_left_alone(command):
    assert texts(changed("curtin in-target -- systemctl enable chrony", command)) == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("#cloud-config\n", "no 'autoinstall'"),
        ("#cloud-config\n- a\n", "must be a mapping"),
        ("#cloud-config\na: 1\n", "no 'autoinstall'"),
        ("#cloud-config\na: [1\n", "not YAML"),
        ("#cloud-config\na: \x07\n", "does not allow"),
        ("#cloud-config\na: 2001-99-99\n", "cannot be read"),
        ("#cloud-config\na: " + "[" * 600, "not YAML"),
        ("#cloud-config\na: &x [*x]\n", "too large or too deep"),
        ("#" * (2**20 + 1), "larger than 1 MiB"),
    ],
)
def test_what_is_no_document_at_all_is_refused(text, reason):
    assert any(reason in said for _, severity, said in texts(text) if severity == "error")


def test_aliases_that_multiply_are_refused_and_not_expanded():
    bomb = "#cloud-config\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))
    assert any("too large" in said for _, _, said in texts(bomb))


def rendered(firmware, layout="plain"):
    """Return what we render as data, to be broken by a test."""
    files = prepare(order({"machine": {"firmware": firmware}, "disk": {"layout": layout}})).seed.files
    return yaml.safe_load(files[0].text)


def errors(document, firmware):
    text = "#cloud-config\n" + yaml.safe_dump(document)
    return [said for _, severity, said in texts(text, firmware) if severity == "error"]


def change(document, name, **values):
    broken = copy.deepcopy(document)
    (action,) = (item for item in broken["autoinstall"]["storage"]["config"] if item["id"] == name)
    action.update(values)
    return broken


@pytest.mark.parametrize(
    ("firmware", "name", "values", "reason"),
    [
        ("bios", "disk", {"grub_device": False}, "grub_device: true"),
        ("bios", "bios", {"flag": ""}, "bios_grub"),
        ("bios", "root-mount", {"path": "/srv"}, "Nothing is mounted on '/'"),
        ("bios", "boot", {"size": -1}, "not the last"),
        ("bios", "boot", {"size": None}, "of type"),
        ("bios", "boot-fs", {"volume": "nowhere"}, "'volume' names 'nowhere'"),
        ("bios", "swap", {"id": "boot"}, "there twice"),
        ("uefi", "esp", {"grub_device": False}, "grub_device: true"),
        ("uefi", "esp", {"flag": ""}, "flag: boot"),
        ("uefi", "esp-fs", {"fstype": "ext4"}, "fat32"),
        ("uefi", "esp-mount", {"path": "/efi"}, "/boot/efi"),
    ],
)
def test_storage_that_fails_on_the_firmware_is_found_before_the_disk_is_wiped(firmware, name, values, reason):
    assert any(reason in said for said in errors(change(rendered(firmware), name, **values), firmware))


def test_an_msdos_disk_needs_no_partition_for_grub():
    document = change(change(rendered("bios"), "disk", ptable="msdos"), "bios", flag="linux")
    assert errors(document, "bios") == []


def test_no_storage_section_is_a_warning():
    document = rendered("bios")
    del document["autoinstall"]["storage"]
    found = texts("#cloud-config\n" + yaml.safe_dump(document))
    assert [(severity, "unused" in said) for _, severity, said in found] == [("warning", True)]


def test_a_password_is_never_repeated_in_a_fault():
    assert all("hunter2" not in said for _, _, said in texts(changed(HASH, "hunter2")))


def test_the_scripts_on_the_seed_have_no_carriage_returns():
    assert all("\r" not in seed_script(name) for name in ("late.sh", "failed.sh"))


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=300))
def test_whatever_the_text_lint_answers(text):
    for source in (text, "#cloud-config\nautoinstall:\n  " + text):
        lines = [fault.line for fault in lint(source, JAMMY.system, "uefi")]
        assert lines == sorted(lines)


PLAIN = st.none() | st.booleans() | st.integers() | st.sampled_from(["disk", "partition", "mount", "boot", "/", ""])
VALUES = PLAIN | st.lists(PLAIN, max_size=2) | st.dictionaries(st.sampled_from(["a", "version", "config"]), PLAIN)
KEYS = ["version", "storage", "late-commands", "network", "identity", "user-data", "apt", "ssh", "source", "oem"]


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), VALUES))
def test_a_section_of_any_shape_is_judged_and_never_a_failure(section):
    text = "#cloud-config\n" + yaml.safe_dump({"autoinstall": section}, allow_unicode=True)
    assert any("shutdown" in fault.text for fault in lint(text, NOBLE.system, "bios"))


ACTIONS = st.dictionaries(st.sampled_from(["type", "id", "device", "size", "path", "volume", "flag"]), VALUES)


@settings(max_examples=25, deadline=None)
@given(st.lists(ACTIONS, max_size=4))
def test_storage_actions_of_any_shape_are_judged_and_never_a_failure(actions):
    section = {"version": 1, "storage": {"config": actions}}
    text = "#cloud-config\n" + yaml.safe_dump({"autoinstall": section}, allow_unicode=True)
    for firmware in ("bios", "uefi"):
        assert lint(text, NOBLE.system, firmware)
