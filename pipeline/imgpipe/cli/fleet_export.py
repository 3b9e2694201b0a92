"""A fleet that options made, as a file: to be read, kept and changed from then on."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from imgpipe.cli import output
from imgpipe.errors import HostError, RecipeError

if TYPE_CHECKING:
    from imgpipe.deploy.fleet_records import Description


def fleet_text(described: Description, file: str) -> str:
    """Return the file's text; `file` is what it will be called. Raises RecipeError for a fleet that has a file."""
    from imgpipe.deploy.fleet_text import as_toml

    if described.file is not None:
        raise RecipeError(
            f"The fleet has a file: '{described.file}'.", hint="Read that; '--write-fleet' is for what options made."
        )
    words = ["imgpipe", "deploy", quote(file)]
    words += ["--format", described.disk_format] if described.disk_format else []
    words += [word for folder in described.trusted for word in ("--trust-backing", quote(str(folder)))]
    return as_toml(described.table, f"Made from options; '{' '.join(words)}' makes it so.")


def write_fleet(described: Description, path: Path) -> None:
    """Write the file, which must not be there unless it says the same already."""
    from imgpipe.home import in_home
    from imgpipe.own_files import is_own, read_own, write_new

    text, place = fleet_text(described, path.name), in_home(path)
    if place.suffix != ".toml":
        raise RecipeError(f"A fleet's file is called NAME.toml, and not '{path}'.", hint="That is how it is told.")
    try:
        if not (is_own(place) and read_own(place).decode(errors="replace") == text):
            write_new(place, text)
    except FileExistsError:
        raise RecipeError(f"There is something at '{path}' already.", hint="Give another name.") from None
    except OSError as error:
        raise HostError(f"'{path}' cannot be written: {error.strerror}.", hint="Give another place.") from None
    output.tell(f"note: '{path}' says what the options say; deploy that from now on.")
