"""imgpipe.toml: what holds for every build on this host."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import Field

import imgpipe
from imgpipe.domain_spec import CpuMode
from imgpipe.errors import RecipeError
from imgpipe.recipe import Identifier, Line, Table, Url
from imgpipe.recipe_files import RecipeFolders, parse
from imgpipe.store import Store


class Settings(Table):
    """The settings of a host or a user; what is absent is decided by imgpipe."""

    connect: Line | None = None
    data: Line | None = None
    media: tuple[Line, ...] = ()
    recipes: tuple[Line, ...] = ()
    mirror: Url | None = None
    pool: Identifier | None = Field(default=None, description="libvirt's storage pool for machines' disks.")
    cpu: CpuMode = Field(
        default="host-passthrough",
        description="What CPU machines see; host-model where they migrate between hosts that differ.",
    )


def checkout() -> Path | None:
    """Return the checkout that this package runs from, or None where it is installed."""
    root = Path(imgpipe.__file__).resolve().parents[2]
    try:
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return None
    return root if project.get("name") == "imgpipe" else None


def settings_files() -> tuple[Path, ...]:
    """Return where imgpipe.toml is looked for; the first that exists counts."""
    config = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
    return (Path("imgpipe.toml"), config / "imgpipe" / "imgpipe.toml", Path("/etc/imgpipe/imgpipe.toml"))


def read_settings(files: Iterable[Path]) -> Settings:
    """Read the first of `files` that exists; raises RecipeError with all its faults."""
    for path in files:
        if path.is_file():
            try:
                table = tomllib.loads(path.read_text(encoding="utf-8"))
            except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
                raise RecipeError(f"'{path}' cannot be read: {error}.") from error
            return parse(Settings, table, f"'{path}'")
    return Settings()


def find_store(settings: Settings, environ: Mapping[str, str]) -> Store:
    """Return the data root: $IMGPIPE_HOME, the setting, `output/` of a checkout, or the system's or user's own."""
    if environ.get("IMGPIPE_HOME"):
        root = Path(environ["IMGPIPE_HOME"])
    elif settings.data:
        root = Path(settings.data)
    elif source := checkout():
        root = source / "output"
    elif os.geteuid() == 0:
        root = Path("/var/lib/imgpipe")
    else:
        root = Path("~/.local/share/imgpipe")
    return Store(root.expanduser().resolve())


def recipe_folders(settings: Settings) -> RecipeFolders:
    """Return the folders of recipes: the settings', those of the user and the site, then the built-in ones."""
    built_in = Path(imgpipe.__file__).parent / "recipes"
    if source := checkout():
        built_in = source / "recipes"
    own = (Path(folder).expanduser() for folder in settings.recipes)
    return RecipeFolders((*own, Path("/etc/imgpipe/recipes"), built_in))
