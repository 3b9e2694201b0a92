import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgpipe.disclosure import one_line, printable, without_secrets
from imgpipe.provenance import InstallRecord, add_tools, read_record, write_record
from sample_images import HASH


@given(st.text())
def test_printable_text_has_no_control_characters_and_stays_so(text):
    clean = printable(text)
    assert printable(clean) == clean
    assert not [letter for letter in clean if ord(letter) < 32 and letter not in "\t\n"]


DANGEROUS = (
    # C0 without tab and line feed, delete, C1 (8-bit CSI among them), marks of direction, separators, half pairs.
    *(chr(code) for code in range(0x20) if chr(code) not in "\t\n"),
    *map(chr, range(0x7F, 0xA0)),
    *"\u061c\u200e\u200f\u2028\u2029",
    *map(chr, range(0x202A, 0x202F)),
    *map(chr, range(0x2066, 0x206A)),
    *("\ud800", "\udbff", "\udc00", "\udfff"),
)


@pytest.mark.parametrize("sign", DANGEROUS, ids=lambda sign: f"U+{ord(sign):04X}")
def test_no_sign_that_steers_a_terminal_is_shown(sign):
    assert printable(f"a{sign}b{sign}") == "ab"
    assert sign not in one_line(f"a{sign}b")


def test_letters_of_all_languages_are_shown():
    text = "naïve \u00a0 日本 עברית\t🙂\n"
    assert printable(text) == text
    assert printable("\x9b31mred \x1b[31mred \u202egnp.exe") == "31mred [31mred gnp.exe"


@given(st.text())
def test_one_line_is_one_line(text):
    assert len(one_line(text).splitlines()) <= 1


@given(st.text(), st.text())
def test_taking_secrets_out_keeps_json_json(before, after):
    text = json.dumps({"a": f"{before}{HASH}", "b": f"https://me:pw@host/{after}"})
    told = without_secrets(text)
    assert HASH not in told
    assert "me:pw@" not in told
    assert set(json.loads(told)) == {"a", "b"}


def test_ordinary_text_stays_as_it_is():
    text = "price $5, $HOME/x, $1$, https://host/a@b, me@host"
    assert without_secrets(text) == text


def test_a_record_of_an_earlier_or_later_version_is_read_as_far_as_it_goes(tmp_path):
    (tmp_path / "install.json").write_text('{"medium": {"title": "x", "new": 1}, "newer": []}')
    record = read_record(tmp_path)
    assert record is not None
    assert record.medium is not None
    assert (record.medium.title, record.medium.sha256, record.seconds) == ("x", "", None)


def test_tools_are_added_to_what_is_recorded(tmp_path):
    write_record(tmp_path, InstallRecord(accelerator="kvm", tools={"libvirt": "11.3"}))
    add_tools(tmp_path, {"libguestfs": "1.54"})
    record = read_record(tmp_path)
    assert record == InstallRecord(accelerator="kvm", tools={"libvirt": "11.3", "libguestfs": "1.54"})


def test_there_may_be_no_record(tmp_path):
    assert read_record(tmp_path) is None
