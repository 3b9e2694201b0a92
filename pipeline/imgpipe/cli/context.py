"""What every command needs: settings, the data root, recipes, plugins and the hypervisor, each made on first use."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from imgpipe.events import Listener
from imgpipe.store import Store

if TYPE_CHECKING:
    from imgpipe.adapters.hypervisor import Hypervisor
    from imgpipe.deploy.existing import ExistingMachine
    from imgpipe.images.users import InUseBy
    from imgpipe.passwords import Vault
    from imgpipe.plugins import Plugins
    from imgpipe.recipe_files import RecipeFolders
    from imgpipe.settings import Settings

# Where libvirt keeps disks unless told otherwise, and where machines made by hand have theirs.
_LIBVIRT_IMAGES = Path("/var/lib/libvirt/images")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """The options that stand before the command."""

    connect: str | None = None
    debug: bool = False


_chosen: list[Choices] = []


def choose(choices: Choices) -> None:
    """Keep the options of this run."""
    _chosen[:] = [choices]


def choices() -> Choices:
    """Return the options of this run; the defaults before they are read."""
    return _chosen[0] if _chosen else Choices()


def settings() -> Settings:
    """Read imgpipe.toml."""
    from imgpipe.settings import read_settings, settings_files

    return read_settings(settings_files(), _warn_once)


@cache
def _warn_once(text: str) -> None:
    """Say something once, however often what it is about is read."""
    from imgpipe.cli.output import tell

    tell(f"warning: {text}")


def store() -> Store:
    """Return the data root."""
    from imgpipe.settings import find_store

    return find_store(settings(), os.environ)


def recipe_folders() -> RecipeFolders:
    """Return where recipes are."""
    from imgpipe.settings import recipe_folders as folders

    return folders(settings(), _warn_once)


@cache
def plugins() -> Plugins:
    """Load the plugins once."""
    from imgpipe.plugins import Plugins

    return Plugins.load()


def vault(*, planned: bool = False) -> Vault:
    """Return where secrets come from.

    What is only planned makes no salt where there is none yet: its hashes, and the keys that they are part of, are then
    other ones than those of the build.
    """
    from imgpipe.passwords import Vault

    found = store()
    salt = (found.known_salt() or os.urandom(32)) if planned else found.salt()
    return Vault(environ=os.environ, salt=salt, warn=_warn_once)


def hypervisor(notify: Listener, *, planned: bool = False) -> Hypervisor:
    """Connect to libvirt as the options, imgpipe.toml or the environment say; where `planned`, remember nothing."""
    from imgpipe.adapters.hypervisor import connect

    return connect(choices().connect or settings().connect, notify, store().cache, remember=not planned)


def in_use_by(found: Store) -> InUseBy:
    """Return what tells who needs an image; it looks at disks in known folders and at libvirt's machines, once."""
    from imgpipe.images.users import machines_and, overlays_in

    overlays = overlays_in((found.root / "machines", found.root / "work", _LIBVIRT_IMAGES))
    return machines_and(overlays, _machines())


def _machines() -> tuple[ExistingMachine, ...]:
    """Return libvirt's machines; none, with a warning, where there is no libvirt to ask."""
    from imgpipe.adapters.machines import Machines
    from imgpipe.cli.output import tell
    from imgpipe.errors import HostError

    try:
        connected = hypervisor(lambda _: None)
        try:
            return Machines(connected).list(sizes=False)
        finally:
            connected.close()
    except HostError as error:
        tell(f"warning: Machines in other folders were not looked for: {error}")
        return ()
