"""The words of a line that bash took apart, put together again."""

import pytest
import typer

from imgpipe.cli import shell_words
from imgpipe.cli.shell_words import whole_words


@pytest.mark.parametrize(
    ("line", "current", "whole", "place", "before"),
    [
        ("imgpipe images show de", 3, "imgpipe images show de", 3, ""),
        ("imgpipe images show demo @ 20", 5, "imgpipe images show demo@20", 3, "demo"),
        ("imgpipe images show demo @", 4, "imgpipe images show demo@", 3, "demo"),
        ("imgpipe images rm a @ 1 b @ 2", 8, "imgpipe images rm a@1 b@2", 4, "b"),
        ("imgpipe images rm a @ 1 b", 6, "imgpipe images rm a@1 b", 4, ""),
        ("imgpipe machines list --fleet = sh", 5, "imgpipe machines list --fleet=sh", 3, "--fleet="),
        ("imgpipe deploy x --root-password file : a", 6, "imgpipe deploy x --root-password file:a", 4, "file:"),
        ("imgpipe images show demo @ 20 --json", 3, "imgpipe images show demo", 3, ""),
        ("imgpipe", 1, "imgpipe", 1, ""),
    ],
)
def test_words_that_belong_together_are_one(line, current, whole, place, before):
    assert whole_words(line.split(), current) == (whole.split(), place, before)


def test_an_empty_word_is_one_of_its_own():
    assert whole_words(["imgpipe", "images", "show", ""], 3) == (["imgpipe", "images", "show", ""], 3, "")
    assert whole_words(["imgpipe", "rm", "a", "@", "1", ""], 5) == (["imgpipe", "rm", "a@1", ""], 3, "")


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"COMP_WORDS": "imgpipe\nimages\nshow\ndemo\n@", "COMP_CWORD": "4"}, ["images", "show", "demo@"]),
        ({"_TYPER_COMPLETE_ARGS": "imgpipe images show demo@"}, ["images", "show", "demo@"]),
        ({}, []),
    ],
)
def test_each_shell_asks_in_its_own_way(environ, words):
    assert shell_words.asked(environ)[0] == words


def test_what_bash_leaves_in_place_is_not_printed_again(capsys):
    app = typer.Typer()

    @app.command()
    def only():
        print("demo@20260301.1\ndemo@20260302.1\nother")
        raise SystemExit(0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["imgpipe"])
        assert shell_words.answer(app, "demo") == 0
    assert capsys.readouterr().out.splitlines() == ["@20260301.1", "@20260302.1", "other"]
