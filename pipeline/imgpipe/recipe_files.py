"""Recipes on disk: found by name, read, and checked with all faults at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from imgpipe.errors import RecipeError
from imgpipe.model_faults import faults
from imgpipe.recipe import Recipe
from imgpipe.sizes import WRITTEN, Sizing, exact_bytes, split_sized_name
from imgpipe.toml_file import read_toml
from imgpipe.trust import changed_by_others

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class RecipeFolders:
    """Where recipes are looked up by name, the first folder first; a site's own come before the built-in ones."""

    folders: tuple[Path, ...]

    def files(self) -> dict[str, Path]:
        """Return every recipe's file by its name."""
        found: dict[str, Path] = {}
        for folder in self.folders:
            for path in sorted(folder.glob("*.toml")):
                found.setdefault(path.stem, path)
        return found

    def load(self, wanted: str) -> Recipe:
        """Load a recipe by its name, its name with a size ('rocky9-8c16g100g'), or its path.

        An exact file name wins over a size. Raises RecipeError with every fault of the file and its key.
        """
        path = Path(wanted)
        if path.suffix == ".toml" and path.is_file():
            return read_recipe(path, path.stem)
        files = self.files()
        if wanted in files:
            return read_recipe(files[wanted], wanted)
        sized = split_sized_name(wanted)
        if sized and sized[0] in files:
            return read_recipe(files[sized[0]], wanted, sized[1])
        if path.suffix == ".toml":
            # A folder's recipes have names; what ends so is meant as a file.
            raise RecipeError(
                f"There is no recipe's file '{wanted}'.",
                hint="Recipes are named without '.toml': 'imgpipe recipes list'.",
            )
        raise self._unknown(wanted, files)

    def _unknown(self, wanted: str, files: Iterable[str]) -> RecipeError:
        base = wanted.rsplit("-", 1)[0]
        near = difflib.get_close_matches(wanted, files, n=3) or difflib.get_close_matches(base, files, n=3)
        places = ", ".join(str(folder) for folder in self.folders)
        hint = f"Did you mean {', '.join(near)}? " if near else ""
        if Path(f"{wanted}.toml").is_file():
            hint = f"A recipe of your own is named by its file: {quote(f'./{wanted}.toml')}. "
        return RecipeError(
            f"There is no recipe '{wanted}'.",
            hint=f"{hint}'imgpipe recipes list' shows all; looked in {places}. "
            "A size is written NAME-<cpus>c<GiB of memory>g<GiB of disk>g, such as rocky9-4c2g15g.",
        )


def read_recipe(path: Path, name: str, sizing: Sizing | None = None) -> Recipe:
    """Read one file as the recipe `name`, at another size if asked."""
    table = read_toml(path, f"Recipe '{path}'")
    if sizing is not None and isinstance(table.get("machine", {}), dict):
        machine = {
            "cpus": sizing.cpus,
            "memory": exact_bytes(sizing.memory),
            "disk": exact_bytes(sizing.disk),
        }
        table["machine"] = {**table.get("machine", {}), **machine}
    recipe = parse(Recipe, {**table, "name": name}, f"Recipe '{path.name}'", _told_name(table))
    refuse_words_of_others(path, f"Recipe '{path}'", _named(recipe))
    return recipe


def refuse_words_of_others(path: Path, title: str, named: Iterable[str]) -> None:
    """Refuse that a file which somebody else can change names files or secrets of this host.

    They would go into an image or a machine that the other one may see; a password may be root's. Raises RecipeError.
    """
    named = tuple(named)
    try:
        how = changed_by_others(path, group=True) if named else ""
    except OSError as error:
        how = error.strerror or "it cannot be looked at"
    if how:
        raise RecipeError(
            f"{title} names files or secrets of this host, and is not yours alone: {how}.",
            hint="Read it, and copy it into a folder that only you can write.",
            details=named,
        )


def _named(recipe: Recipe) -> Iterator[str]:
    """Yield the keys of a recipe that name files or secrets of this host."""
    if recipe.guest.root.password:
        yield "guest.root.password"
    yield from (f"guest.users: password of '{user.name}'" for user in recipe.guest.users if user.password)
    if recipe.install.answer_file:
        yield "install.answer_file"
    if recipe.install.product_key:
        yield "install.product_key"


def _told_name(table: dict[str, Any]) -> tuple[str, ...]:
    """Return what is wrong with a name in a recipe's own file: it would be passed over."""
    return ("name: is no key; a recipe is called by its file's name",) if "name" in table else ()


def parse(kind: type[Model], table: dict[str, Any], title: str, more: tuple[str, ...] = ()) -> Model:
    """Check a table against its type; raises RecipeError that lists every fault with its key, those in `more` too."""
    try:
        found = kind.model_validate(table, context=WRITTEN)
    except ValidationError as error:
        raise RecipeError(f"{title} is not valid.", details=(*more, *faults(error, kind))) from None
    if more:
        raise RecipeError(f"{title} is not valid.", details=more)
    return found
