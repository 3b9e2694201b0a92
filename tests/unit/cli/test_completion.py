"""What a shell is offered means nothing to it, whoever gave files and machines their names."""

import pytest
import typer

from imgpipe.cli import commands, machines
from imgpipe.cli.completion import offered
from imgpipe.cli.deploy_options import complete_template

HOSTILE = (
    r"\$(touch owned)", "$(touch owned)", "`touch owned`", "a;b", "a b", "a'b", 'a"b', "~root", "=ls", "-x", "*", "a?",
    "{a,b}", "!x", "#x", "<x", "a|b", "a&b", "\x1b[31m", "a\nb", "a\u202eb", "(x)", "",
)  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_that_a_shell_would_act_on_is_not_offered(name):
    assert offered([name, "web-01"], "") == ["web-01"]


def test_what_is_offered_begins_as_it_was_begun():
    names = ["web-01", "web_2", "demo@20260301.1", "./dir/fleet.toml", "/srv/a+b=c,d:e%f", "über"]
    assert offered(names, "") == names
    assert offered(names, "web-") == ["web-01"]


def test_files_of_the_current_folder_are_offered_only_where_they_are_harmless(tmp_path, monkeypatch):
    # zsh evaluates what it is answered: a backslash before the dollar made it start the command.
    for name in (r"\$(touch owned).toml", "fleet.toml"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMGPIPE_HOME", str(tmp_path / "data"))
    assert complete_template("") == ["fleet.toml"]


def test_machines_fleets_and_groups_are_offered_only_where_they_are_harmless(monkeypatch):
    known = [("$(id)", "`id`", "a b"), ("web-01", "shop", "web")]
    monkeypatch.setattr(machines, "_known", lambda: known)
    assert machines.complete_machine("") == ["web-01"]
    assert machines.complete_fleet("") == ["shop"]
    assert machines.complete_group("") == ["web"]


@pytest.mark.parametrize(
    ("words", "offers"),
    [
        ("imgpipe doctor --bu", "--bundle"),
        ("imgpipe doctor rocky10", "rocky10"),
        ("imgpipe doctor --bundle --de", "--deep"),
    ],
)
def test_a_command_that_reads_its_words_itself_is_completed_too(monkeypatch, capsys, words, offers):
    monkeypatch.setenv("_IMGPIPE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(words.count(" ")))
    app = typer.Typer()
    commands.add_commands(app, ())
    with pytest.raises(SystemExit) as ended:
        app(prog_name="imgpipe")
    assert ended.value.code == 0
    assert offers in capsys.readouterr().out.split()
