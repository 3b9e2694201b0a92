"""What is kept of a change, so that it can be confirmed, checked and undone by a later run of imgpipe."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from imgpipe.errors import HostError
from imgpipe.host.network.wanted import HostNetwork
from imgpipe.model_faults import reason
from imgpipe.own_files import is_own, read_own, write_new
from imgpipe.recipe import Table
from imgpipe.store import finished_file

_CONNECTIONS = "NetworkManager/system-connections"


class OldProfile(Table):
    """A profile that made room; `active_on` is the device it was active on."""

    uuid: str
    name: str
    file: str = ""
    active_on: str = ""


class NewProfile(Table):
    """A profile that a change brings; `text` is its keyfile as it is once confirmed."""

    uuid: str
    name: str
    text: str


class Change(Table):
    """One change of a host's network."""

    network: HostNetwork
    checkpoint: str
    new: tuple[NewProfile, ...]
    old: tuple[OldProfile, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where things are: `run` is gone after a boot, `etc` is the host's own, `kept` is imgpipe's."""

    kept: Path
    run: Path = Path("/run")
    etc: Path = Path("/etc")

    @property
    def pending(self) -> Path:
        """The change that waits for its confirmation; with the checkpoint it is gone after a boot."""
        return self.run / "imgpipe" / "host-network.json"

    @property
    def hands_off(self) -> Path:
        """NetworkManager's configuration while a change waits."""
        return self.run / "NetworkManager" / "conf.d" / "90-imgpipe.conf"

    def staged(self, name: str, uuid: str) -> Path:
        """Where a profile is until it is confirmed: NetworkManager reads it there, and a boot forgets it."""
        return self.run / _CONNECTIONS / f"imgpipe-{name}-{uuid[:8]}.nmconnection"

    def confirmed(self, file_name: str) -> Path:
        """Where a profile is for good."""
        return self.etc / _CONNECTIONS / file_name

    def keyfiles(self) -> Iterator[Path]:
        """Yield the keyfiles that are there for good."""
        yield from sorted((self.etc / _CONNECTIONS).glob("*.nmconnection"))

    def changes(self) -> tuple[Path, ...]:
        """Return the folders of the confirmed changes, the newest last."""
        return tuple(sorted(path.parent for path in self.kept.glob("*/change.json")))


def write_private(path: Path, text: str) -> None:
    """Write a file that only root reads, whole or not at all; NetworkManager takes no other."""
    with finished_file(path) as partial:
        write_new(partial, text, 0o600)


def write_public(path: Path, text: str) -> None:
    """Write a file that everybody may read, whole or not at all."""
    with finished_file(path) as partial:
        write_new(partial, text)


def read_change(path: Path) -> Change | None:
    """Read a change; None where there is none."""
    try:
        return Change.model_validate_json(read_own(path))
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise HostError(f"The record '{path}' cannot be read: {reason(error)}.", hint="Remove it by hand.") from None


def newest_network(places: Places) -> HostNetwork | None:
    """Return the network that was confirmed last; None where none was."""
    for folder in reversed(places.changes()):
        if change := read_change(folder / "change.json"):
            return change.network
    return None


def back_up(places: Places, change: Change, number: int) -> Path:
    """Keep the change and a copy of every keyfile as it was before, and return the folder."""
    folder = places.kept / f"{number:04}"
    folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    for path in places.keyfiles():
        shutil.copy2(path, folder / path.name)
    write_private(folder / "change.json", change.model_dump_json(indent=2))
    return folder


def restore(places: Places, change: Change, folder: Path) -> tuple[Path, ...]:
    """Put back the keyfiles of the old profiles that were written over, and return their paths."""
    written = []
    for old in change.old:
        copy = folder / Path(old.file).name
        if old.file and is_own(copy):
            write_private(places.confirmed(copy.name), read_own(copy).decode())
            written.append(places.confirmed(copy.name))
    return tuple(written)
