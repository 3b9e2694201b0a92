"""One change to a sound kickstart each, on every system that it concerns, and what lint says of it."""

import re

import pytest

from imgpipe.answer_text import answer_text
from imgpipe.os_family import Fault
from imgpipe.plugins import Plugins

STATIC = (
    "network --bootproto=static --device=eth0 --ip=10.1.0.5 --netmask=255.255.255.0 --gateway=10.1.0.1 --no-activate"
)
SOUND = f"""\
cmdline
cdrom
lang en_US.UTF-8
keyboard us
timezone Asia/Tokyo --utc
network --hostname=a
{STATIC}
rootpw --lock
user --name=ops --groups=wheel --iscrypted --password=$6$saltsalt$abcdefghijkl
zerombr
clearpart --all --initlabel
autopart
poweroff
"""
PACKAGES = "%packages\n@^minimal-environment\n%end\n"
EL = ("rocky8", "rocky9", "rocky10")


@pytest.fixture(scope="module")
def loaded():
    return Plugins.load()


def judged(loaded, data, os):
    family, system = loaded.system(os)
    text = answer_text(data)
    return (text,) if isinstance(text, Fault) else family.lint(text, system, "bios")


def expect(found, kind, pattern=""):
    errors = [f"{fault.line}: {fault.text}" for fault in found if fault.severity == "error"]
    warnings = [f"{fault.line}: {fault.text}" for fault in found if fault.severity == "warning"]
    match kind:
        case "clean":
            assert found == ()
        case "no error":
            assert errors == []
        case "warning":
            assert errors == []
            assert any(re.search(pattern, line) for line in warnings), warnings
        case "error":
            assert any(re.search(pattern, line) for line in errors), (errors, warnings)


@pytest.mark.parametrize("os", [*EL, "openeuler22.03", "openeuler24.03", "kylin10", "anolis8"])
def test_blanks_and_remarks_in_packages_are_no_packages(loaded, os):
    text = SOUND + "%packages\n@^minimal-environment\n\n   \n# tools\ncurl\nlsof # a remark\n%end\n"
    expect(judged(loaded, text.encode(), os), "clean")


REPLACED = [
    ("timezone Asia/Tokyo --utc\n", "", EL, "warning", "^0: .*New_York"),
    ("Asia/Tokyo", "Asia/Peking", EL, "error", "^5: .*Asia/Peking"),
    ("rootpw --lock", "rootpw --iscrypted Password1", EL, "error", "^8: .*no hash"),
    ("--ip=10.1.0.5", "--ip=10.1.0.555", EL, "error", r"^7: .*10\.1\.0\.555"),
    ("--gateway=10.1.0.1", "--gateway=10.2.0.1", EL, "warning", r"^7: .*10\.2\.0\.1"),
    ("--gateway=10.1.0.1", "--gateway=10.1.0", EL, "error", r"^7: .*10\.1\.0'"),
    ("poweroff", "reboot", EL, "warning", "^13: 'reboot'"),
    ("poweroff", "reboot --eject --kexec", ("rocky9",), "warning", "^13: 'reboot'"),
    ("poweroff", "halt", EL, "error", "^13: .*'halt'"),
    ("poweroff", "shutdown", EL, "clean", ""),
    ("autopart", "autopart\nignoredisk --only-use=nvme0n1", EL, "error", "^13: .*nvme0n1"),
]


@pytest.mark.parametrize(("old", "new", "systems", "kind", "pattern"), REPLACED)
def test_a_changed_line_is_judged_on_its_line(loaded, old, new, systems, kind, pattern):
    assert SOUND.count(old) == 1
    for os in systems:
        expect(judged(loaded, (SOUND.replace(old, new) + PACKAGES).encode(), os), kind, pattern)


def test_an_image_for_bootc_brings_all_packages(loaded):
    text = SOUND.replace("cdrom\n", "") + "bootc --source-imgref=registry:registry.example/web:1\n"
    expect(judged(loaded, text.encode(), "rocky10"), "no error")


def test_el8_has_its_installers_own_options(loaded):
    text = SOUND + "network --device=eth1 --bootproto=dhcp --ipv6-dns-search=a.example --no-activate\n" + PACKAGES
    expect(judged(loaded, text.encode(), "rocky8"), "clean")
    expect(judged(loaded, text.encode(), "kylin10"), "error", "unrecognized arguments")


SCRIPTS = [
    ('echo "finished; reboot the machine later" >> /etc/motd', "", "clean", ""),
    ("systemctl mask \\\n  reboot.target", "", "clean", ""),
    ("mask=$((1<<8))\npoweroff", "", "error", "^19: .*poweroff"),
    ('shutdown = False\nprint("x; reboot")', " --interpreter=/usr/bin/python3", "clean", ""),
    ("[ -f /x ] && reboot", "", "warning", "^18: .*ends the installer"),
    ("bash -c 'cd /; poweroff'", "", "error", "^18: .*ends the installer"),
    ("exit 0\npoweroff", "", "warning", "^19: .*ends the installer"),
    ("poweroff() { :; }\npoweroff", "", "clean", ""),
    ("if [ 1 = 1; then\nreboot", "", "warning", "could not be read"),
    ("cat <<A <<B\nA\nB\nreboot", "", "warning", "^21: .*ends the installer"),
]


@pytest.mark.parametrize(("script", "options", "kind", "pattern"), SCRIPTS)
def test_a_script_is_read_as_its_interpreter_reads_it(loaded, script, options, kind, pattern):
    text = f"{SOUND}{PACKAGES}%post --erroronfail{options}\n{script}\n%end\n"
    expect(judged(loaded, text.encode(), "rocky9"), kind, pattern)


@pytest.mark.parametrize(
    ("encode", "pattern"),
    [
        (lambda text: text.replace("\n", "\r\n").encode(), "^1: .*CRLF"),
        (lambda text: (text + "# 安装\n").encode("gbk"), "^17: .*UTF-8.*GBK"),
        (lambda text: text.encode("utf-16"), "^1: .*UTF-16"),
        (lambda text: text.encode("utf-16-le"), "^1: .*UTF-16"),
        (lambda text: b"\xef\xbb\xbf" + text.encode(), "^1: .*byte order mark"),
        (lambda text: text.encode().replace(b"lang", b"la\0ng"), "^3: .*zero byte"),
    ],
)
def test_bytes_that_are_no_text_of_the_installers_are_told_with_their_line(loaded, encode, pattern):
    expect(judged(loaded, encode(SOUND + PACKAGES), "rocky9"), "error", pattern)


def test_a_preseeds_name_needs_no_slash_and_what_is_not_asked_no_answer(loaded):
    text = (
        "d-i keymap select us\n"
        "d-i partman/confirm_nooverwrite boolean true\n"
        "d-i partman-partitioning/confirm_write_new_label boolean true\n"
    )
    found = judged(loaded, text.encode(), "debian13")
    assert not [fault for fault in found if fault.severity == "error" and re.search("keymap|confirm", fault.text)]
