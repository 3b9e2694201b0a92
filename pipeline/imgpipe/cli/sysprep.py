"""`imgpipe sysprep`: what is done to a disk to make it a template."""

from __future__ import annotations

from typing import Annotated

import typer

from imgpipe.cli import context
from imgpipe.cli.completion import complete_recipe


def sysprep(
    _list: Annotated[bool, typer.Option("--list", help="List the operations (this is all the command does).")] = True,
    recipe: Annotated[
        str | None,
        typer.Option(help="As this recipe runs them, its system's own included.", autocompletion=complete_recipe),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the named operations that seal a disk; a recipe turns them on and off under [sysprep].

    Examples:

      imgpipe sysprep --list

      imgpipe sysprep --list --recipe ubuntu24.04
    """
    from imgpipe.cli.output import show_json, show_table
    from imgpipe.cli.planned import plan_named
    from imgpipe.recipe import Recipe

    if recipe is not None:
        chosen = plan_named(recipe).operations
    else:
        chosen = context.plugins().operations(Recipe(name="any", os="any"))
    rows = [
        {
            "operation": operation.name,
            "default": "on" if operation.default else "off",
            "description": operation.description,
        }
        for operation in chosen
    ]
    if as_json:
        show_json(rows)
    else:
        show_table(rows)
