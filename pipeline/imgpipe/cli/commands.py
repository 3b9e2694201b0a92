"""What commands there are, each in a module that is loaded only when it is asked for.

All of them together are a tenth of a second, which is a fifth of a short run: their modules, and the parser's options.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand

COMMANDS = {
    "build": "build:build",
    "plan": "plan:plan",
    "lint": "lint:lint",
    "sysprep": "sysprep:sysprep",
    "doctor": "doctor:doctor",
    "import": "importing:import_image",
    "deploy": "deploy:deploy",
    "clone": "clone:clone",
    "flatten": "machines:flatten",
    "machines": "machines:app",
    "images": "images:app",
    "recipes": "recipes:app",
    "os": "os_list:app",
    "media": "media:app",
    "host": "host:app",
}
"""Each command's module here, and in it the command's function or its group of further commands."""
_READERS = {"doctor": "doctor:Words"}
"""Commands whose words are not read as typer reads them, and the class that reads them."""


def add_commands(app: typer.Typer, words: Sequence[str]) -> None:
    """Add the command that `words`, the command line without the program's name, begins with; else all of them.

    Where an option comes first, the next word may be the option's value; then nothing is left out.
    """
    asked = words[:1] if words and words[0] in COMMANDS else COMMANDS
    for name in asked:
        found = _loaded(COMMANDS[name])
        if isinstance(found, typer.Typer):
            _let_options_be_given_once(found)
            app.add_typer(found, name=name)
        else:
            app.command(name, cls=_loaded(_READERS[name]) if name in _READERS else OnceCommand)(found)


def _let_options_be_given_once(group: typer.Typer) -> None:
    """Let the commands of a group, and of the groups in it, refuse what `OnceCommand` refuses."""
    for command in group.registered_commands:
        if command.cls in (None, TyperCommand):
            command.cls = OnceCommand
    for inner in group.registered_groups:
        if inner.typer_instance:
            _let_options_be_given_once(inner.typer_instance)


def _loaded(place: str) -> Any:  # noqa: ANN401 (a function, a group or a class, as the tables above say)
    module, attribute = place.split(":")
    return getattr(import_module(f"imgpipe.cli.{module}"), attribute)


class OnceCommand(TyperCommand):
    """A command that refuses an option given twice where only one counts; click would take the last in silence."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 (typer has its own copy of click)
        """Read the words; raises what typer raises for a wrong option."""
        _, _, given = self.make_parser(ctx).parse_args(args=list(args))
        for parameter, times in Counter(given).items():
            flag = getattr(parameter, "is_flag", False)
            if times > 1 and parameter.nargs == 1 and not (getattr(parameter, "multiple", False) or flag):
                ctx.fail(f"'{max(parameter.opts, key=len)}' is given {times} times, and takes one value")
        rest: list[str] = super().parse_args(ctx, args)
        return rest
