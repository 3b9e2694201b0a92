"""What a shell is offered means nothing to it, whoever gave files and machines their names."""

from types import SimpleNamespace

import pytest
import typer

from imgpipe.adapters import known_names
from imgpipe.cli import commands, completion
from imgpipe.cli.completion import complete_template, offered

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


@pytest.fixture
def called():
    """What typer gives to what completes: the words in front, of which the connection counts."""
    return SimpleNamespace(find_root=lambda: SimpleNamespace(params={"connect": "test:///chosen"}))


def test_machines_fleets_and_groups_are_offered_only_where_they_are_harmless(monkeypatch, called):
    known = [("$(id)", "`id`", "a b"), ("web-01", "shop", "web"), ("web-02", "shop", "web")]
    monkeypatch.setattr(known_names, "machines", lambda uri: known if uri == "test:///chosen" else [])
    assert completion.complete_machine(called, "") == ["web-01", "web-02"]
    assert completion.complete_fleet(called, "") == ["shop"]
    assert completion.complete_group(called, "") == ["web"]


@pytest.mark.parametrize(
    ("complete", "kind"),
    [
        (completion.complete_domain, "machines"),
        (completion.complete_network, "networks"),
        (completion.complete_pool, "pools"),
    ],
)
def test_what_libvirt_has_is_offered_only_where_it_is_harmless(monkeypatch, called, complete, kind):
    asked = []
    monkeypatch.setattr(known_names, "names", lambda *words: asked.append(words) or ["a b", "vm001", "vm002", "web"])
    assert complete(called, "vm") == ["vm001", "vm002"]
    assert asked == [("test:///chosen", kind)]


def test_bridges_are_those_of_the_host_and_no_other_devices(tmp_path):
    for name in ("br1/bridge", "br0/bridge", "eth0/queues", "$(id)/bridge"):
        (tmp_path / name).mkdir(parents=True)
    assert offered(known_names.bridges(tmp_path), "") == ["br0", "br1"]


def reached(function):
    """Return the functions that a function of typer's calls in the end."""
    inner = [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
    return {function, *(one for value in inner if callable(value) for one in reached(value))}


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("complete_bridge", "deploy demo --bridge"),
        ("complete_network", "deploy demo --network"),
        ("complete_pool", "deploy demo --pool"),
        ("complete_fleet", "deploy demo --fleet"),
        ("complete_template", "deploy"),
        ("complete_domain", "clone"),
        ("complete_pool", "clone a b --pool"),
        ("complete_domain", "import x --domain"),
        ("complete_recipe", "import x --recipe"),
        ("complete_recipe", "build"),
        ("complete_recipe", "plan"),
        ("complete_image", "images show"),
        ("complete_image", "images rm"),
        ("complete_image", "images verify"),
        ("complete_image", "images export"),
        ("complete_image", "images list"),
        ("complete_machine", "machines start"),
        ("complete_machine", "machines destroy"),
        ("complete_machine", "machines console"),
        ("complete_machine", "flatten"),
        ("complete_fleet", "machines list --fleet"),
        ("complete_group", "machines stop --group"),
    ],
)
def test_each_place_for_a_name_is_completed(option, words):
    def completes(command, rest):
        if inner := getattr(command, "commands", None):
            return completes(inner[rest[0]], rest[1:])
        options = {name: parameter for parameter in command.params for name in parameter.opts}
        arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
        parameter = options[rest[-1]] if rest and rest[-1].startswith("--") else arguments[0]
        return parameter._custom_shell_complete

    app = typer.Typer()
    commands.add_commands(app, ())
    found = completes(typer.main.get_command(app), words.split())
    assert getattr(completion, option) in reached(found)


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
