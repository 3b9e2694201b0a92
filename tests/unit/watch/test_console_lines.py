"""A console becomes lines of plain text, whatever a guest prints."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from imgpipe.watch.console import LINES_KEPT, LONGEST_LINE, LineDecoder


def lines(*parts: bytes) -> list[str]:
    decoder = LineDecoder()
    return [line for part in parts for line in decoder.feed(part)]


def test_plain_lines_come_out_as_they_are():
    assert lines(b"one\r\ntwo\nthree\r\n") == ["one", "two", "three"]


def test_colours_titles_and_bells_go():
    assert lines(b"\x1b[1;31mred\x1b[0m \x1b]0;title\x07and\x07 \x1b(Bplain\n") == ["red and plain"]


def test_a_sequence_cut_between_two_reads_goes_too():
    whole = b"a\x1b[1;31mb\x1b]0;t\x07c\r\nd\xe2\x82\xace\n"
    for cut in range(len(whole)):
        assert lines(whole[:cut], whole[cut:]) == ["abc", "d€e"]


def test_text_placed_by_the_cursor_is_lines():
    screen = b"\x1b[H\x1b[2J\x1b[5;1HInstalling boot loader\x1b[6;1HConfiguring\x1b[5Caddons\x1b[24;1H"
    assert lines(screen) == ["Installing boot loader", "Configuring addons"]


def test_a_line_rewritten_after_a_carriage_return_is_two_lines():
    assert lines(b"10 %\r20 %\r\n") == ["10 %", "20 %"]


def test_line_drawing_of_dialogs_is_no_text():
    assert lines(b"\x0elqqqqk\x0f [!!] Partition disks \x0elqk\x0f\n") == ["[!!] Partition disks"]


def test_a_prompt_without_a_line_break_is_the_open_line():
    decoder = LineDecoder()
    assert decoder.feed(b"done\r\nContinue? (yes|no) ") == ["done"]
    assert decoder.open_line == decoder.last_line == "Continue? (yes|no)"
    assert decoder.feed(b"\r\n") == ["Continue? (yes|no)"]
    assert decoder.open_line == ""


def test_text_that_turns_the_reading_direction_is_disarmed():
    assert lines("pay \u202eload\u2028x\n".encode()) == ["pay loadx"]


def test_a_string_that_never_ends_does_not_swallow_the_console():
    assert "after" in lines(b"\x1b]0;" + b"x" * 5000 + b"\nafter\n")


def test_memory_is_bounded():
    decoder = LineDecoder()
    for _ in range(50):
        decoder.feed(b"y" * 100_000)
    decoder.feed(b"\nline\n" * 1000)
    assert len(decoder.lines) == LINES_KEPT
    assert len(decoder.open_line) <= LONGEST_LINE


@given(st.binary(max_size=300), st.integers(0, 300))
def test_no_bytes_make_anything_but_printable_lines_and_where_they_are_cut_does_not_matter(data: bytes, cut: int):
    found = lines(data + b"\n", b"\n")
    assert found == lines(data[:cut], data[cut:] + b"\n", b"\n")
    for line in found:
        assert line == line.strip() != ""
        assert not any(unicodedata.category(character).startswith("C") for character in line)
