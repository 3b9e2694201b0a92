"""Command lines that are read as imgpipe reads them, and not run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer

from imgpipe.cli import main
from imgpipe.cli.commands import add_commands


def whole_program() -> Any:
    """Return imgpipe's command with all its commands."""
    app = typer.Typer()
    app.callback()(main.options)
    add_commands(app, ())
    return typer.main.get_command(app)


def parsed(command: Any, words: Sequence[str], name: str = "imgpipe", parent: Any = None) -> Any:
    """Read the words as the command line would; nothing is run. Raises what typer raises."""
    if not hasattr(command, "resolve_command"):
        return command.make_context(name, list(words), parent=parent)
    context = command.make_context(name, list(words), parent=parent) if words else None
    rest = [*context._protected_args, *context.args] if context else []
    if not rest:
        return context
    name, inner, rest = command.resolve_command(context, rest)
    return parsed(inner, rest, name, context)
