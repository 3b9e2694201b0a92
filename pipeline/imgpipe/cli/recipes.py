"""`imgpipe recipes`: what can be built here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
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
def schema(
    write: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Write recipe.schema.json, fleet.schema.json and host.schema.json there instead."
        ),
    ] = None,
) -> None:
    """Print the JSON Schema of a recipe, for editors that complete and check TOML.

    A file whose first line is '#:schema ./recipe.schema.json' is completed by editors that use taplo, such as VS Code
    with Even Better TOML; the path is relative to the file. The systems and options are those of the plugins here.

    Examples:

      imgpipe recipes schema > recipe.schema.json

      imgpipe recipes schema --write /srv/recipes
    """
    from imgpipe.cli.output import show_json, show_lines
    from imgpipe.toml_schemas import recipe_schema, schema_files

    families = context.plugins().families
    if write is None:
        show_json(recipe_schema(families))
        return
    show_lines(str(path) for path in _written(write, schema_files(families)))


def _written(folder: Path, schemas: Mapping[str, Mapping[str, object]]) -> list[Path]:
    """Write schemas into a folder that is there, in place of older ones; another's file of such a name stays."""
    from imgpipe.errors import RecipeError
    from imgpipe.own_files import write_new
    from imgpipe.store import finished_file
    from imgpipe.toml_schemas import is_ours, text_of

    if not folder.is_dir():
        raise RecipeError(f"'{folder}' is no folder.", hint="Name the folder that your recipes or fleets are in.")
    files = {folder / name: text_of(schema) for name, schema in schemas.items()}
    if taken := [str(path) for path in files if not is_ours(path)]:
        raise RecipeError("Files of these names are there, and not imgpipe's.", hint="Move them away.", details=taken)
    for path, text in files.items():
        with finished_file(path) as partial:
            write_new(partial, text)
    return [*files]
