"""Questions before something is lost: asked on stderr, answered by a person, and nothing of them on stdout."""

import io

import pytest
import typer

from imgpipe.cli import output
from imgpipe.errors import RecipeError


class Person(io.StringIO):
    def isatty(self):
        return True


class Stopper(Person):
    def readline(self):
        raise KeyboardInterrupt


@pytest.mark.parametrize("said", ["y\n", "Yes\n", "what\ny\n"])
def test_yes_goes_on_and_stdout_has_nothing_but_data(said, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", Person(said))
    output.confirm("Remove 'a\x1b[2J'?", yes=False)
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "Remove 'a[2J'? [y/N]: " * said.count("\n")


@pytest.mark.parametrize("person", [Person("n\n"), Person("\n"), Person(""), Person("what\n"), Stopper()])
def test_anything_else_ends_the_command(person, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", person)
    with pytest.raises(typer.Abort):
        output.confirm("Remove it?", yes=False)
    assert capsys.readouterr().out == ""


def test_nobody_is_asked_where_nobody_is(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    with pytest.raises(RecipeError, match="Nobody can be asked"):
        output.confirm("Remove it?", yes=False)
    output.confirm("Remove it?", yes=True)
    assert capsys.readouterr() == ("", "")
