"""Lint of preseed files: each fault that it knows, with its line."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgpipe.os_family import System
from imgpipe.sizes import GIB
from imgpipe_debian.lint import lint

SYSTEM = System(name="debian13", title="Debian 13", memory=GIB)
HASH = "$6$saltsaltsalt$" + "a" * 86

GOOD = f"""\
# Nothing may be asked.
d-i debian-installer/locale string en_US.UTF-8
d-i netcfg/get_domain string
d-i netcfg/dhcp_failed note
d-i passwd/root-login boolean true
d-i passwd/root-password-crypted password {HASH}
d-i passwd/make-user boolean false
d-i partman-auto/disk string /dev/vda
d-i partman-auto/method string regular
d-i partman-partitioning/default_label string gpt
d-i partman-auto/expert_recipe string         \\
    imgpipe ::                                \\
        2 2 2 free $iflabel{{ gpt }} method{{ biosgrub }} . \\
        512 512 512 free $iflabel{{ gpt }} method{{ efi }} format{{ }} . \\
        1024 10000 -1 ext4 method{{ format }} format{{ }} mountpoint{{ / }} .
d-i partman-partitioning/confirm_write_new_label boolean true
d-i partman/choose_partition select finish
d-i partman/confirm boolean true
d-i partman/confirm_nooverwrite boolean true
d-i grub-installer/bootdev string /dev/vda
d-i preseed/late_command string in-target systemctl enable chrony
d-i finish-install/reboot_in_progress note
d-i debian-installer/exit/poweroff boolean true
"""


def with_line(line):
    return GOOD + line + "\n"


def without(question):
    return "".join(line for line in GOOD.splitlines(keepends=True) if question not in line)


def texts(text, firmware="bios"):
    return [(fault.line, fault.severity, fault.text) for fault in lint(text, SYSTEM, firmware)]


def only(text, firmware="bios"):
    (found,) = texts(text, firmware)
    return found


@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_a_complete_file_has_no_fault(firmware):
    assert texts(GOOD, firmware) == []


LAST = GOOD.count("\n") + 1

BAD_LINES = [
    ("d-i partman/mount_style", "warning", "skips this line"),
    ("partman/mount_style select uuid", "warning", "Is the owner"),
    ("d-i partman/mount_style selekt uuid", "warning", "a type of debconf's"),
    ("d-i clock-setup/utc true", "warning", "skips this line"),
    ("d-i clock-setup/utc boolean yes", "warning", "neither 'true' nor 'false'"),
    ("d-i clock-setup/utc boolean true ", "warning", "blanks behind it"),
    ("d-i netcfg/get_hostnam string web", "warning", "did you mean 'netcfg/get_hostname'"),
    ("d-i clock-setup/utc string true", "warning", "of type 'boolean'"),
    ("d-i apt-setup/local0/comment string \\ ", "error", "does not go on"),
    ("d-i preseed/early_command string touch /target/x", "error", "no /target yet"),
    ("d-i preseed/interactive boolean true", "error", "wait for a human"),
    ("d-i debian-installer/exit/halt boolean true", "error", "stays on"),
    ("d-i passwd/root-password password secret", "warning", "plain text"),
]


@pytest.mark.parametrize(("line", "severity", "text"), BAD_LINES)
def test_a_bad_line_is_blamed_with_its_number(line, severity, text):
    number, found, said = only(with_line(line))
    assert (number, found) == (LAST, severity)
    assert text in said


@pytest.mark.parametrize(
    ("command", "severity", "text"),
    [
        ("in-target systemctl start chrony", "warning", "cannot be started"),
        ("in-target service ssh restart", "warning", "cannot be started"),
        ("in-target sysctl -p", "warning", "installer's kernel"),
        ("in-target sysctl --system", "warning", "installer's kernel"),
        ("echo x >/etc/motd", "warning", "/target/etc"),
        ("in-target apt-get install vim", "warning", "--yes"),
        ("true; reboot", "error", "too early"),
    ],
)
def test_a_pitfall_of_late_command_is_found(command, severity, text):
    changed = GOOD.replace("in-target systemctl enable chrony", command)
    _, found, said = only(changed)
    assert found == severity
    assert text in said


@pytest.mark.parametrize(
    "command",
    [
        "in-target apt-get -y install vim",
        "in-target apt-get install --yes vim",
        "echo x >/target/etc/motd",
        "cp /reboot.sh /target/",
    ],
)
def test_a_sound_late_command_is_left_alone(command):
    assert texts(GOOD.replace("in-target systemctl enable chrony", command)) == []


@pytest.mark.parametrize(
    "question",
    [
        "partman/confirm_nooverwrite",
        "partman/choose_partition",
        "grub-installer/bootdev",
        "partman-auto/method",
        "passwd/root-password-crypted",
    ],
)
def test_an_answer_that_is_missing_is_an_error_that_names_it(question):
    line, severity, text = only(without(question))
    assert (line, severity) == (0, "error")
    assert question.strip() in text


def test_a_missing_answer_may_be_in_an_included_file():
    text = without("partman/confirm_nooverwrite") + "d-i preseed/include string more.cfg\n"
    assert only(text)[:2] == (0, "warning")


def test_the_boot_loaders_disk_is_not_asked_for_on_uefi():
    assert texts(without("grub-installer/bootdev"), "uefi") == []


def test_lvm_needs_its_own_confirmations_and_a_partition_for_it():
    said = [text for _, _, text in texts(GOOD.replace("string regular", "string lvm"))]
    assert [text.split("'")[1] for text in said[:1]] == ["partman-lvm/confirm_nooverwrite"]
    assert "$lvmok{ }" in said[1]


@pytest.mark.parametrize("question", ["partman/confirm ", "partman-partitioning/confirm_write_new_label"])
def test_what_is_asked_on_a_disk_with_something_on_it_alone_may_be_unanswered(question):
    assert texts(without(question)) == []


def test_a_reboot_at_the_end_is_a_warning():
    assert only(without("debian-installer/exit/poweroff"))[:2] == (0, "warning")


USER = "d-i passwd/make-user boolean false"
MADE = f"""\
d-i passwd/user-fullname string Ops
d-i passwd/username string ops
d-i passwd/user-password-crypted password {HASH}"""


@pytest.mark.parametrize(
    ("old", "new", "severity", "text"),
    [
        (HASH, "!", "error", "counts as no password"),
        (HASH, "$6$short", "warning", "does not go on"),
        (
            "boolean true\nd-i passwd/root-password-crypted",
            "boolean false\nd-i passwd/root-password-crypted",
            "error",
            "made all the same",
        ),
        (USER, MADE.replace("Ops\n", "\n"), "", ""),
        (USER, MADE.replace("string ops", "string Ops"), "error", "'Ops' is refused"),
        (USER, MADE.replace("string ops", "string 1ops"), "error", "'1ops' is refused"),
        (USER, MADE.replace("string ops", "string backup"), "error", "reserved"),
        (USER, MADE.replace("d-i passwd/user-fullname", "# d-i passwd/user-fullname"), "error", "passwd/user-fullname"),
        (
            USER,
            MADE.replace("user-password-crypted password", "user-password password"),
            "error",
            "user-password-again",
        ),
        ("/dev/vda\nd-i partman-auto/method", "/dev/sda\nd-i partman-auto/method", "error", "no disk '/dev/sda'"),
        (USER, f"{USER}\nd-i time/zone string Asia/Beijing", "error", "Asia/Beijing"),
        (USER, f"{USER}\nd-i time/zone string Asia/Shanghai", "", ""),
        (USER, f"{USER}\nd-i netcfg/get_hostname string web_1", "error", "'web_1' is no host name"),
        (USER, f"{USER}\nd-i keymap select us", "", ""),
    ],
)
def test_what_the_installer_would_refuse_or_ask_again_is_found(old, new, severity, text):
    assert GOOD.count(old) == 1
    found = [(kind, said) for _, kind, said in texts(GOOD.replace(old, new)) if "plain text" not in said]
    assert [kind for kind, _ in found] == ([severity] if severity else [])
    assert all(text in said for _, said in found)


NETWORK = """\
d-i netcfg/disable_autoconfig boolean true
d-i netcfg/get_ipaddress string 192.168.1.42
d-i netcfg/get_netmask string 255.255.255.0
d-i netcfg/get_gateway string 192.168.1.1
d-i netcfg/get_nameservers string 192.168.1.1 fd00::1
"""


@pytest.mark.parametrize(
    ("old", "new", "severity"),
    [
        ("", "", ""),
        ("168.1.42", "168.1.420", "error"),
        ("255.255.255.0", "255.0.255.0", "error"),
        ("get_gateway string 192.168.1.1", "get_gateway string 192.168.2.1", "warning"),
    ],
)
def test_a_static_address_is_checked(old, new, severity):
    found = [kind for _, kind, _ in texts(GOOD + NETWORK.replace(old, new))]
    assert found == ([severity] if severity else [])


def test_an_encrypted_disk_with_its_passphrase_is_a_warning():
    text = GOOD.replace("string regular", "string crypto").replace("imgpipe ::  ", "imgpipe :: ")
    text += "d-i partman-lvm/confirm_nooverwrite boolean true\n"
    assert {kind for _, kind, said in texts(text) if "passphrase" in said} == {"error", "warning"}
    text += "d-i partman-crypto/passphrase password a\nd-i partman-crypto/passphrase-again password a\n"
    assert [kind for _, kind, said in texts(text) if "passphrase" in said] == ["warning"]


def test_line_ends_of_windows_are_told_and_change_no_answer():
    assert [found[:2] for found in texts(GOOD.replace("\n", "\r\n"))] == [(1, "warning")]


def test_a_byte_order_mark_is_told():
    assert only("\ufeff" + GOOD)[:2] == (1, "warning")


@pytest.mark.parametrize(("firmware", "method"), [("bios", "biosgrub"), ("uefi", "efi")])
def test_a_recipe_without_the_firmwares_partition_is_an_error(firmware, method):
    line, severity, text = only(GOOD.replace(f"method{{ {method} }}", "method{ keep }"), firmware)
    assert (line, severity) == (11, "error")
    assert f"method{{ {method} }}" in text


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("imgpipe ::", "imgpipe", "begins with its name"),
        ("mountpoint{ / }", "mountpoint{ / ", "braces"),
        ("{ / } .", "{ / }", "full stop"),
        ("512 512 512 free", "512 512 free", "three sizes"),
        ("512 512 512 free", "512 512 100 free", "more than its greatest"),
        ("mountpoint{ / }", "mountpoint{ /srv }", "no partition for '/'"),
    ],
)
def test_a_fault_in_the_recipe_is_found(old, new, text):
    assert any(text in said for line, _, said in texts(GOOD.replace(old, new)) if line == 11)


def test_an_answer_given_twice_names_both_lines():
    line, severity, text = only(with_line("d-i partman/confirm boolean true"))
    assert (line, severity) == (LAST, "warning")
    assert "line 18" in text


def test_setting_a_question_seen_is_no_second_answer():
    assert texts(with_line("d-i partman/confirm seen true")) == []


def test_a_comment_inside_a_continued_line_is_found():
    changed = GOOD.replace("    imgpipe ::  ", "    # the disk \\\n    imgpipe ::  ")
    assert any(line == 12 and "comment" in text for line, _, text in texts(changed))


def test_a_password_that_is_no_hash_is_an_error():
    line, severity, text = only(GOOD.replace(HASH, "secret"))
    assert (line, severity) == (6, "error")
    assert "secret" not in text


def test_a_huge_file_is_refused_unread():
    assert only("#" * (2**20 + 1))[0] == 0


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=400))
def test_whatever_the_text_lint_answers_in_the_order_of_lines(text):
    lines = [fault.line for fault in lint(text, SYSTEM, "bios")]
    assert lines == sorted(lines)
    assert all(0 <= line <= text.count("\n") + 1 for line in lines)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from([*GOOD.splitlines(), "d-i a/b string \\", "x y boolean", "d-i p/q boolean maybe"])))
def test_lines_in_any_order_are_read_without_a_failure(lines):
    assert all(fault.text for fault in lint("\n".join(lines), SYSTEM, "uefi"))
