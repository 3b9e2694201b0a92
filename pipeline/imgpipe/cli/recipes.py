"""`imgpipe recipes`: what can be built here."""

from __future__ import annotations

from typing import Annotated

import typer

from imgpipe.cli import context

app = typer.Typer(help="List the recipes, and print the JSON Schema for your editor.", no_args_is_help=True)


@app.command("list")
def list_recipes(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List every recipe with its system and size.

    Example: imgpipe recipes list
    """
    from imgpipe.cli.output import show_json, show_table
    from imgpipe.errors import RecipeError
    from imgpipe.natural_order import natural
    from imgpipe.recipe_files import read_recipe
    from imgpipe.sizes import show_bytes

    rows = []
    files = context.recipe_folders().files()
    for name, path in sorted(files.items(), key=lambda one: natural(one[0])):
        try:
            recipe = read_recipe(path, name)
        except RecipeError as error:
            rows.append(
                {"recipe": name, "os": "", "size": "", "summary": f"not valid: {'; '.join(error.details) or error}"}
            )
            continue
        size = f"{recipe.machine.cpus}c {show_bytes(recipe.machine.memory)} {show_bytes(recipe.machine.disk)}"
        rows.append({"recipe": name, "os": recipe.os, "size": size, "summary": recipe.summary})
    if as_json:
        show_json(rows)
    else:
        show_table(rows)


@app.command("schema")
def schema() -> None:
    """Print the JSON Schema of a recipe, for editors that check TOML.

    Example: imgpipe recipes schema > recipe.schema.json
    """
    from imgpipe.cli.output import show_json
    from imgpipe.recipe import Recipe

    shape = Recipe.model_json_schema()
    # The name is the file's; in the file itself it would be an unknown key.
    shape["properties"].pop("name")
    shape["required"] = [key for key in shape["required"] if key != "name"]
    shape["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    show_json(shape)
