"""imgpipe.toml: what holds for every build on this host."""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

import imgpipe
from imgpipe.connection_uri import fault_in_file
from imgpipe.domain_spec import CpuMode
from imgpipe.errors import HostError
from imgpipe.home import in_home
from imgpipe.recipe import Identifier, InterfaceName, Line, Table, Url
from imgpipe.recipe_files import RecipeFolders, parse
from imgpipe.store import Store
from imgpipe.toml_file import read_toml
from imgpipe.trust import changed_by_others


def _stated(uri: str) -> str:
    if fault := fault_in_file(uri):
        raise ValueError(f"{fault}; give it with '--connect' or in LIBVIRT_DEFAULT_URI")
    return uri


class Settings(Table):
    """The settings of a host or a user; what is absent is decided by imgpipe."""

    connect: Annotated[Line, AfterValidator(_stated)] | None = None
    data: Line | None = None
    media: tuple[Line, ...] = ()
    recipes: tuple[Line, ...] = ()
    mirror: Url | None = None
    bridges: tuple[InterfaceName, ...] = Field(
        default=(),
        description="NICs of machines whose deploy names none; absent: those of an imported machine, or NAT.",
    )
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
    system = Path("/etc/imgpipe/imgpipe.toml")
    try:
        config = in_home(os.environ.get("XDG_CONFIG_HOME") or "~/.config")
    except HostError:
        # A user without a home folder has no settings of his own.
        return (Path("imgpipe.toml"), system)
    return (Path("imgpipe.toml"), config / "imgpipe" / "imgpipe.toml", system)


def read_settings(files: Iterable[Path], warn: Callable[[str], None] = lambda _: None) -> Settings:
    """Read the first of `files` that exists; raises RecipeError with all its faults.

    A file that somebody else can change is not believed. In the current folder, where anybody may have put it, it
    is passed over and `warn` is told; the user's or the system's own is a HostError until it is mended.
    """
    for path in files:
        here = not path.is_absolute()
        try:
            if not os.path.lexists(path):
                continue
            how = changed_by_others(path)
        except OSError as error:
            if here:
                continue
            raise HostError(f"The settings '{path}' cannot be looked at: {error.strerror}.") from None
        if how and here:
            warn(
                f"'{path.absolute()}' is ignored: {how}. If its settings are yours, take it into a folder that only "
                "you can write, or to ~/.config/imgpipe/."
            )
        elif how:
            raise HostError(
                f"The settings '{path}' are not believed: {how}.",
                hint=f"Look at what they say, then let only their owner write: chown and 'chmod go-w' as for '{path}'.",
            )
        else:
            return parse(Settings, read_toml(path, f"'{path}'"), f"'{path}'")
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
    return Store(_own_root(in_home(root)))


def _own_root(root: Path) -> Path:
    """Return the real path of a data root that nobody else can change; raises HostError for any other.

    A group may write to it: whoever shares a data root on purpose does it so.
    """
    hint = "Name another with IMGPIPE_HOME, or 'data' in imgpipe.toml."
    try:
        how = changed_by_others(root, group=True) or _planted(root)
        real = root.resolve()
        if real.exists() and not real.is_dir():
            how = "it is no folder"
    except (OSError, RuntimeError) as error:
        how = getattr(error, "strerror", None) or "its symbolic links lead nowhere"
    if not how and not str(real).isprintable():
        # libvirt's XML has no place for such characters, and a terminal would obey them.
        how = "its path has characters that are no text"
    if how:
        raise HostError(f"The data root '{root}' cannot be used: {how}.", hint=hint)
    return real


def _planted(root: Path) -> str:
    """Return what somebody else put into a data root that is open to everybody, as a file system's own root may be."""
    if not root.is_dir() or not root.stat().st_mode & stat.S_IWOTH:
        return ""
    return next((how for entry in sorted(root.iterdir()) if (how := changed_by_others(entry, group=True))), "")


def recipe_folders(settings: Settings, warn: Callable[[str], None] = lambda _: None) -> RecipeFolders:
    """Return the folders of recipes: the settings', those of the user and the site, then the built-in ones.

    One that somebody else can change is passed over, and `warn` is told.
    """
    built_in = Path(imgpipe.__file__).parent / "recipes"
    if source := checkout():
        built_in = source / "recipes"
    sites = (*(in_home(folder) for folder in settings.recipes), Path("/etc/imgpipe/recipes"))
    return RecipeFolders((*(folder for folder in sites if _is_believed(folder, warn)), built_in))


def _is_believed(folder: Path, warn: Callable[[str], None]) -> bool:
    try:
        how = changed_by_others(folder, entries=True)
    except OSError as error:
        how = error.strerror or "it cannot be looked at"
    if how:
        warn(f"The recipes in '{folder}' are ignored: {how}.")
    return not how
