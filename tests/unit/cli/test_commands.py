"""Which commands a command line loads."""

import typer

from imgpipe.cli.commands import COMMANDS, add_commands


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
