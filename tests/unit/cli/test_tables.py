"""Tables on stdout, as programs and eyes read them."""

from imgpipe.cli import output

ROWS = [{"name": "a", "note": "long enough"}, {"name": "bb", "note": ""}, {"name": "c", "note": "[b] x"}]


def test_no_line_of_a_table_ends_with_blanks(capsys):
    output.show_table(ROWS)
    assert capsys.readouterr().out == "NAME  NOTE\na     long enough\nbb\nc     [b] x\n"


def test_nor_does_one_on_a_terminal_which_has_colours(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    output.show_table(ROWS)
    lines = capsys.readouterr().out.splitlines()
    assert "\x1b[" in lines[0]
    assert not any(line.replace("\x1b[0m", "").endswith(" ") for line in lines)


def test_columns_of_numbers_end_together(capsys):
    output.show_table([{"size": "1"}, {"size": "100"}], right=("size",))
    assert capsys.readouterr().out == "SIZE\n   1\n 100\n"
