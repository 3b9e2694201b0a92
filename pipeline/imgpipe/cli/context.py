"""What every command needs: settings, the data root, recipes, plugins and the hypervisor, each made on first use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from imgpipe.events import Listener
from imgpipe.store import Store

if TYPE_CHECKING:
    from imgpipe.adapters.hypervisor import Hypervisor
    from imgpipe.adapters.machines import Machines
    from imgpipe.deploy.existing import ExistingMachine
    from imgpipe.images.disk_uses import DiskUses
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


def in_use_by(found: Store, *, without_libvirt: bool = False) -> InUseBy:
    """Return what tells who needs a disk; it looks at disks in known folders and asks libvirt, once.

    Every machine and every volume counts, whoever made it. Raises HostError where something cannot be known, unless
    `without_libvirt`: then only folders are looked at.
    """
    from imgpipe.images.users import any_of, known_users, machines_and, overlays_in

    folders = [found.root / "machines", found.root / "work"]
    if os.access(_LIBVIRT_IMAGES, os.R_OK | os.X_OK):
        folders.append(_LIBVIRT_IMAGES)
    overlays = overlays_in(folders)
    if without_libvirt:
        return overlays
    machines, told = _asked()
    return machines_and(any_of(overlays, *map(known_users, told)), machines)


def in_use_by_now(found: Store, *, without_libvirt: bool = False) -> InUseBy:
    """Return what tells who needs a disk, and looks anew each time: for use under an image's lock."""

    def looked_now(disk: Path) -> tuple[str, ...]:
        return in_use_by(found, without_libvirt=without_libvirt)(disk)

    return looked_now


def _asked() -> tuple[tuple[ExistingMachine, ...], list[DiskUses]]:
    """Ask the chosen libvirt daemon, which must answer, and this host's other one where it does."""
    from imgpipe.adapters.machines import Machines
    from imgpipe.connection_uri import chosen_uri
    from imgpipe.errors import HostError

    try:
        connected = hypervisor(lambda _: None)
        with closing(connected):
            known = Machines(connected)
            machines, told = known.list(sizes=False), [known.disk_uses()]
    except HostError as error:
        raise HostError(
            f"libvirt cannot be asked which machines need which disk: {error}",
            hint=f"{error.hint} Whoever knows that no machine needs it says '--without-libvirt'.".strip(),
            details=error.details,
        ) from error
    for known in _neighbours(chosen_uri(choices().connect or settings().connect)):
        machines += known.list(sizes=False)
        told.append(known.disk_uses())
    return machines, told


def uses_elsewhere() -> tuple[DiskUses, ...]:
    """Return what this host's other daemon told of disks: a user's machines may be at two, root's are at one."""
    from imgpipe.connection_uri import chosen_uri

    chosen = chosen_uri(choices().connect or settings().connect)
    if os.geteuid() == 0 or chosen not in _local_daemons():
        return ()
    return tuple(known.disk_uses() for known in _neighbours(chosen))


def _neighbours(chosen: str) -> Iterator[Machines]:
    """Yield this host's other daemons, as far as they answer."""
    from imgpipe.adapters.hypervisor import connect, look
    from imgpipe.adapters.machines import Machines
    from imgpipe.errors import HostError

    for uri in sorted(_local_daemons() - {chosen}):
        try:
            # A session's daemon ends when nobody uses it, and knows its machines when it is started again.
            ask = connect if uri == "qemu:///session" else look
            other = ask(uri, lambda _: None)
        except HostError:
            other = None
        if other is None:
            _say(f"note: '{uri}' does not answer, so only '{chosen}' was asked which machines need which disk.")
            continue
        with closing(other):
            yield Machines(other)


def _local_daemons() -> set[str]:
    """Return this host's daemons that this user may have machines at; root has no session."""
    return {"qemu:///system"} if os.geteuid() == 0 else {"qemu:///system", "qemu:///session"}


@cache
def _say(text: str) -> None:
    """Say it once, however often it is found."""
    from imgpipe.cli.output import tell

    tell(text)
