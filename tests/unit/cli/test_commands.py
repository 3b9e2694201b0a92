"""Which commands a command line loads."""

from types import SimpleNamespace

import pytest
import typer

from imgpipe.cli import main
from imgpipe.cli.commands import COMMANDS, add_commands
from imgpipe.cli.ending import ending_of
from imgpipe.errors import RecipeError
from imgpipe.plugins import Plugins


def names(*words):
    app = typer.Typer()
    add_commands(app, words)
    return {entry.name for entry in (*app.registered_commands, *app.registered_groups)}


def test_the_first_word_decides_and_only_its_command_is_loaded():
    assert names("plan", "rocky9-4c2g15g", "build") == {"plan"}


def test_a_group_is_loaded_like_a_command():
    assert names("images", "list") == {"images"}


def test_an_option_in_front_may_have_a_commands_name_for_its_value():
    assert names("--connect", "plan", "build") == set(COMMANDS)


def test_help_and_a_misspelt_word_know_all_commands():
    assert names() == names("--help") == names("biuld") == set(COMMANDS)


@pytest.mark.parametrize(
    ("words", "said", "hint"),
    [
        (("--name", "a", "--name", "b"), "'--name' is given 2 times, and takes one value.", ""),
        (("--memory", "2G", "--bridge", "br1", "--memory", "4G"), "'--memory' is given 2 times", ""),
        (("--cpus", "2"), "There is no option '--cpus'.", "Did you mean '--vcpus'?"),
        (("--address", "2"), "There is no option '--address'.", "Did you mean '--addresses'?"),
        (("--ram", "2048"), "There is no option '--ram'.", "Did you mean '--memory'?"),
        (("--os-variant", "rocky9"), "There is no option '--os-variant'.", "The system is the template's"),
        (("--mac", "52:54:00:00:00:01"), "There is no option '--mac'.", "MAC addresses follow from the names"),
        (("--cpu", "host"), "There is no option '--cpu'.", "Every machine has the host's CPU."),
        (("--graphics", "none"), "There is no option '--graphics'.", "Linux machines have a serial console"),
        (("--cdrom", "x.iso"), "There is no option '--cdrom'.", "An ISO is for a build, as in 'imgpipe build rocky9"),
        (("--frob", "1"), "There is no option '--frob'.", "'"),
        (("--count", "0"), "'--count' must be at least 1.", ""),
        (("--first", "x"), "'--first' must be a whole number.", ""),
        (("--first", "-1"), "'--first' must be at least 0.", ""),
        (("--cache", "fast"), "'--cache' 'fast' is not one of 'none', 'writeback'", ""),
    ],
)
def test_a_wrong_option_is_told_with_what_to_write(monkeypatch, words, said, hint):
    app = typer.Typer()
    add_commands(app, ("deploy",))
    with pytest.raises(Exception) as caught:  # noqa: PT011 (typer has its own copy of click)
        app(["rocky9", *words], standalone_mode=False)
    ended = ending_of(caught.value)
    assert (ended.code, ended.kind) == (2, "usage")
    assert ended.message.startswith(said)
    assert ended.hint.startswith(hint)


@pytest.mark.parametrize(
    ("words", "said", "hint"),
    [
        (("build", "demo", "--cpus", "3"), "There is no option '--cpus'.", "A size stands in the recipe's name"),
        (("plan", "demo", "--memory", "3G"), "There is no option '--memory'.", "A size stands in the recipe's name"),
        (("images", "list", "--size", "3G"), "There is no option '--size'.", "'"),
        (("deploy", "demo", "web"), "There is a word too many: 'web'.", "The machines' name is an option"),
        (
            ("deploy", "demo", "--name", "web", "--wait", "900"),
            "There is a word too many: '900'.",
            "How long is waited is",
        ),
        (("deploy", "demo", "--name", "web", "db"), "There is a word too many: 'db'.", "'"),
        (("build", "rocky9", "--iso", "x.iso"), "There is no option '--iso'.", "The ISO is '--media FILE'."),
        (
            ("build", "rocky9", "--extra-args", "x"),
            "There is no option '--extra-args'.",
            "Arguments for the installer's",
        ),
        (("lint", "ks.cfg", "--os-variant", "rocky9"), "There is no option '--os-variant'.", "Did you mean '--os'?"),
        (("clone", "-o", "vm001", "-n", "vm005"), "There is no option '-o'.", "The source comes first"),
        (("clone", "vm001"), "Missing argument 'new'.", "Such as 'imgpipe clone vm001 vm005'."),
        (("lint", "ks.cfg"), "Missing option '--os'.", "Such as 'imgpipe lint ks-rocky10.cfg --os rocky10'."),
        (("images", "show"), "Missing argument 'NAME[@VERSION]'.", "Such as 'imgpipe images show rocky9@20260301.1'."),
        (("destroy", "web"), "There is no command 'destroy'.", "Did you mean 'imgpipe machines destroy'?"),
        (("machines", "shutdown", "web"), "There is no command 'shutdown'.", "Did you mean 'imgpipe machines stop'?"),
        (("osinfo-query", "os"), "There is no command 'osinfo-query'.", "Did you mean 'imgpipe os list'?"),
        (("domiflist", "web"), "There is no command 'domiflist'.", "That is virsh's: 'virsh domiflist NAME'"),
        (("biuld", "demo"), "There is no command 'biuld'.", "Did you mean 'imgpipe build'?"),
        (("machines", "lst"), "There is no command 'lst'.", "Did you mean 'imgpipe machines list'?"),
        (("frobnicate",), "There is no command 'frobnicate'.", "'"),
        (("deploy", "demo", "web", "db"), "There are words too many: 'web db'.", "'"),
        (("plan", "demo", "--json", "x"), "There is a word too many: 'x'.", "'"),
    ],
)
def test_a_word_in_the_wrong_place_is_told_with_its_own(words, said, hint):
    app = typer.Typer()
    add_commands(app, ())
    with pytest.raises(Exception) as caught:  # noqa: PT011 (typer has its own copy of click)
        app(list(words), prog_name="imgpipe", standalone_mode=False)
    ended = ending_of(caught.value)
    assert (ended.code, ended.message) == (2, said)
    assert ended.hint.startswith(hint)


def test_options_that_may_be_repeated_are_not_refused():
    app = typer.Typer()
    add_commands(app, ("deploy",))
    with pytest.raises(RecipeError, match="have no name"):
        app(["rocky9", "--bridge", "br1", "--bridge", "br2"], standalone_mode=False)


@pytest.mark.parametrize(
    ("owners", "asked"), [(["imgpipe"], False), (["imgpipe", "site-plugin"], True), ([None], True)]
)
def test_only_plugins_of_others_are_loaded_for_commands_of_their_own(monkeypatch, owners, asked):
    entries = [SimpleNamespace(dist=owner and SimpleNamespace(name=owner)) for owner in owners]
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: entries if group == "imgpipe" else [])
    added = []
    monkeypatch.setattr(main.context, "plugins", lambda: SimpleNamespace(add_commands=added.append))
    app = typer.Typer()
    main._add_plugins_commands(app)
    assert added == ([app] if asked else [])


def test_the_plugins_that_come_with_imgpipe_have_no_commands_of_their_own():
    app = typer.Typer()
    Plugins.load().add_commands(app)
    assert (app.registered_commands, app.registered_groups) == ([], [])
