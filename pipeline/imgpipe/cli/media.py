"""`imgpipe media`: the installation media that are here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from imgpipe.cli import context
from imgpipe.cli.completion import offered
from imgpipe.home import in_home

app = typer.Typer(help="Look at installation media, and make those that need no download.", no_args_is_help=True)

_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _folders() -> tuple[Path, ...]:
    return tuple(in_home(folder) for folder in context.settings().media)


@app.command("list")
def list_media(as_json: _Json = False) -> None:
    """List the ISO files of the media folders: what each says it is, and which systems take it.

    Example: imgpipe media list
    """
    from imgpipe.cli.output import show_json, show_table, tell
    from imgpipe.media.listing import COLUMNS
    from imgpipe.media.listing import list_media as look

    def begin(count: int) -> None:
        if count:
            tell(f"Reading what {count} ISO file{'s say' if count > 1 else ' says'}.")

    rows = look(_folders(), context.store(), context.plugins().families, begin)
    if as_json:
        show_json([row.as_json() for row in rows])
    else:
        show_table([dict(zip(COLUMNS, row.cells(), strict=True)) for row in rows])
        if not rows:
            tell("There is no ISO in any media folder.")


@app.command("check")
def check(
    file: Annotated[str, typer.Argument(metavar="ISO", help="A path, or a name in the folders of 'media list'.")],
    sha256: Annotated[str | None, typer.Option(help="The digest it must have.")] = None,
    checksums: Annotated[str | None, typer.Option(help="A CHECKSUM file, or its URL.")] = None,
    keyring: Annotated[str | None, typer.Option(help="A GPG keyring that must have signed it.")] = None,
    as_json: _Json = False,
) -> None:
    """Read a medium whole: what it is, its sha256, and whether that is as it should be.

    Example: imgpipe media check Rocky-9.7-x86_64-minimal.iso --checksums CHECKSUM
    """
    from imgpipe.cli.output import show_fields, show_json
    from imgpipe.cli.progress import listener
    from imgpipe.media.listing import check_medium, find_file
    from imgpipe.recipe import MediumSource
    from imgpipe.recipe_files import parse

    given = {"sha256": sha256, "checksums": checksums, "keyring": keyring}
    source = parse(MediumSource, {key: value for key, value in given.items() if value}, "The command line")
    path = find_file(file, _folders(), context.store())
    with listener() as notify:
        row = check_medium(path, source, context.store(), context.plugins().families, notify)
    if as_json:
        show_json(row.as_json())
    else:
        show_fields({key: str(value) for key, value in row.as_json().items() if value})


def _makers(incomplete: str) -> list[str]:
    return offered(context.plugins().makers, incomplete)


@app.command("make")
def make(
    name: Annotated[
        str | None, typer.Argument(help="What to make; absent: list what can be made.", autocompletion=_makers)
    ] = None,
) -> None:
    """Make a medium from packages, as a build does when it needs it; print its path.

    Example: imgpipe media make anaconda-stand-in
    """
    from imgpipe.cli.output import show_line, show_table
    from imgpipe.cli.progress import listener
    from imgpipe.errors import RecipeError
    from imgpipe.media.made import made_medium

    makers = context.plugins().makers
    if name is None:
        show_table([{"medium": maker.name, "is": maker.summary} for maker in makers.values()])
        return
    if name not in makers:
        raise RecipeError(f"No plugin makes a medium called '{name}'.", hint=f"There are {', '.join(makers)}.")
    with listener() as notify:
        path = made_medium(makers[name], context.store(), notify)
    show_line(str(path))
