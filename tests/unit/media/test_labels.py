import re

from hypothesis import given
from hypothesis import strategies as st

from imgpipe.media.label import escape


def test_blanks_become_hexadecimal_escapes():
    assert escape("Rocky Linux 9") == r"Rocky\x20Linux\x209"


def test_what_installers_use_stays():
    assert escape("Rocky-10-1-x86_64-dvd") == "Rocky-10-1-x86_64-dvd"


def test_quotes_slashes_and_backslashes_cannot_reach_a_command_line():
    assert escape("a\"b'c/d\\e;f") == r"a\x22b\x27c\x2fd\x5ce\x3bf"


def test_letters_beyond_ascii_stay():
    assert escape("Größe") == "Größe"


@given(st.text(st.characters(max_codepoint=0x2FFF, exclude_categories=("Cs",)), max_size=32))
def test_an_escaped_label_says_the_same_and_has_no_blank(label):
    escaped = escape(label)
    assert re.sub(r"\\x([0-9a-f]{2})", lambda match: chr(int(match[1], 16)), escaped) == label
    assert not re.search(r"[ \t\n\"'\0]", escaped)
