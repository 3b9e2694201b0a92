"""Logs of Setup and Sysprep: understood in every coding, explained, and freed of secrets."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgpipe_windows.logs import decoded, explain
from imgpipe_windows.redaction import HIDDEN, KEY_HIDDEN, redacted

SYSPREP = "/Windows/System32/Sysprep/Panther/setuperr.log"
SETUP = "/Windows/Panther/setupact.log"
ENCODED = base64.b64encode("hunter22AdministratorPassword".encode("utf-16-le")).decode()


def line(text, level="Error"):
    return f"2016-11-22 10:00:02, {level}                 SYSPRP {text}\r\n"


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_log_is_read_in_the_coding_it_is_in(coding):
    assert decoded("Größe 大小: OK, all is well\r\n".encode(coding)) == "Größe 大小: OK, all is well\r\n"


def test_a_log_of_western_windows_is_read_by_its_code_page():
    assert decoded("The drive is größer".encode("cp1252")) == "The drive is größer"


def test_the_end_of_a_log_may_begin_inside_of_a_character():
    assert decoded("大小 is the size".encode()[1:]) == "小 is the size"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "Package Microsoft.Edge_1.0 was installed for a user, but not provisioned for all users. This will not",
            "Sysprep refuses: the app package 'Microsoft.Edge_1.0' is installed for a user, but not for all users.",
        ),
        ("CDiskInfo: Failed to query disk [0] geometry", "Windows Setup sees no disk 0: the storage driver was"),
        ("Setup: No images are available.", "the product key is of another edition than the medium."),
        ("Failed to decode password (0x8007000d)", "Windows cannot decode a password of the answer file."),
        (
            "Windows could not parse or process unattend answer file [C:\\Windows\\Panther\\unattend.xml] for pass "
            "[specialize]. The error was detected while processing settings for component "
            "[Microsoft-Windows-Shell-Setup].",
            "the answer file: pass 'specialize', component 'Microsoft-Windows-Shell-Setup'.",
        ),
        (
            "Windows could not parse or process the unattend answer file for pass [oobeSystem]. Invalid.",
            "Windows does not accept the answer file: pass 'oobeSystem'.",
        ),
        ("The password does not meet the password policy requirements.", "it is too simple."),
        ("SLReArmWindows failed: 0xc004d307", "generalized as often as its licence allows."),
    ],
)
def test_a_known_cause_is_named(text, reason):
    told = explain({SETUP: line("something else failed").encode("utf-16"), SYSPREP: line(text).encode("utf-16")})
    assert reason in told.reason
    assert any(text[:40] in shown for shown in told.lines)


def test_a_refused_driver_is_named_by_the_log_of_device_installations():
    log = "!!!  sto: Failed to verify catalog. Error = 0x800B0109\r\n     sto: fine\r\n"
    log += "<<<  [Exit status: FAILURE(0x800b0109)]\r\n<<<  [Exit status: SUCCESS]\r\n"
    told = explain({"/Windows/INF/setupapi.dev.log": log.encode("cp1252")})
    assert told.reason == "Windows refuses a driver, because nobody whom it trusts has signed it."
    assert len(told.lines) == 3


def test_words_of_a_cause_in_a_line_without_trouble_are_no_cause():
    told = explain({SETUP: line("Failed to query disk [0], trying again", "Info").encode()})
    assert (told.reason, told.lines) == ("", ())


def test_without_a_known_cause_the_last_lines_of_trouble_are_shown():
    log = "".join(line(f"trouble {number}") for number in range(50)) + line("hr = 0x0") + line("fine", "Info")
    told = explain({SETUP: log.encode()})
    assert told.reason == ""
    assert told.lines[0] == f"{SETUP}:"
    assert told.lines[-1].endswith("trouble 49")
    assert len(told.lines) == 9


def test_what_a_log_says_is_one_printable_line_of_bounded_length():
    told = explain({SETUP: line("\x1b]0;title\x07" + "x" * 10_000).encode()})
    assert all(shown.isprintable() and len(shown) < 400 for shown in told.lines)


@pytest.mark.parametrize(
    "text",
    [
        "<AdministratorPassword><Value>hunter22</Value><PlainText>true</PlainText></AdministratorPassword>",
        "<AutoLogon>\n<Password>\n<Value>\nhunter22\n</Value></Password></AutoLogon>",
        "<u:Password u:wcm='x'><u:Value xsi:type='s'>hunter22</u:Value></u:Password>",
        "&lt;Value&gt;hunter22&lt;/Value&gt;",
        "cut off hunter22</Value>",
        "<Value>hunter22",
        "AdministratorPassword = hunter22",
        'AutoLogon: "hunter22"',
        "  Password:hunter22 and more hunter22",
        "['DefaultPassword']='hunter22'",
        "running [net user Administrator hunter22 /active:yes]",
        "attribute Value = 'hunter22' set",
        f"decoding {ENCODED} now",
        f"decoding {ENCODED.rstrip('=')}",
        f"cut {ENCODED[5:]}",
    ],
)
def test_a_password_is_taken_out_in_any_form(text):
    clean = redacted(text)
    assert "hunter22" not in clean
    assert ENCODED[5:].rstrip("=") not in clean
    assert HIDDEN in clean


@pytest.mark.parametrize("text", ["<Key>VK7JG-NPHTM-C97JM-9MPGT-3V66T</Key>", "key vk7jg-nphtm-c97jm-9mpgt-3v66t used"])
def test_a_product_key_is_taken_out(text):
    assert "nphtm" not in redacted(text).lower()


def test_what_is_no_secret_stays():
    text = "2016, Error SYSPRP Failed to decode password (0x8007000d); package dGhpcyBpcyBub3Qgc2VjcmV0IGF0IGFsbA=="
    assert redacted(text) == text
    assert redacted("a VK7JG-NPHTM-C97JM-9MPGT-3V66T b") == f"a {KEY_HIDDEN} b"


@pytest.mark.parametrize("part", ["<Value>", "</Value>", "x" * 64, "<", "password", "&lt;", "A", "net user "])
def test_a_log_that_wants_to_be_slow_is_read_to_its_end(part):
    assert "hunter22" not in redacted(part * (2**18 // len(part)) + "\nPassword = hunter22")


@given(st.binary(max_size=300))
def test_any_bytes_can_be_explained(content):
    told = explain({SETUP: content, SYSPREP: line("x").encode("utf-16") + content})
    assert all(shown.isprintable() for shown in told.lines)
