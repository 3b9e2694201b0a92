"""A release of an operating system, the media it is installed from, and what is seen of those before a boot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

UNTESTED = "rendered and checked only; never installed, for want of a medium"


@dataclass(frozen=True, slots=True, kw_only=True)
class MediumIdentity:
    """What a medium must say of itself to be this system's; regular expressions, matched from the start.

    `family` is matched with `.treeinfo`'s [general] family, `version` with its version, `disk_info` with
    `.disk/info`, `volume_id` with the ISO's own; an empty expression is not looked at. A medium that carries
    neither `.treeinfo` nor `.disk/info` is judged by its volume id alone. `landmark` is a wildcard path of a file
    that must be on it, whatever it says.
    """

    family: str = ""
    version: str = ""
    disk_info: str = ""
    volume_id: str = ""
    arch: str = "x86_64"
    landmark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FurtherMedium:
    """A medium that an installer needs beside its own; it is attached after it, as one more CD.

    `name` is what recipes (`[media.NAME]`) and `--media NAME=...` call it; `makes` and `stand_in` name MediumMakers,
    the second one's medium is taken where the installer's own is a stand-in as well. The rest is as in `System`.
    """

    name: str
    title: str
    media: tuple[str, ...] = ()
    download: str = ""
    identity: MediumIdentity = MediumIdentity()
    makes: str = ""
    stand_in: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """One release of an operating system.

    `media` are file name patterns to look for, in order of preference. `makes` names the MediumMaker that can
    make a medium where none is found. `tested` says in a phrase what was tried, and how. `memory` is the least
    its installer really needs, in bytes; `cpu_level` the x86-64 level its binaries need (1 to 4). `further` are
    media that its installer needs beside its own. `firmware` is what it can be installed on.
    """

    name: str
    title: str
    libosinfo: str = ""
    media: tuple[str, ...] = ()
    download: str = ""
    identity: MediumIdentity = MediumIdentity()
    makes: str = ""
    memory: int
    cpu_level: int = 1
    tested: str = UNTESTED
    further: tuple[FurtherMedium, ...] = ()
    firmware: tuple[Literal["bios", "uefi"], ...] = ("bios", "uefi")


class MediumContent(Protocol):
    """An open medium, to look at; paths are relative to its root, and letters' case does not count."""

    @property
    def volume_id(self) -> str:
        """The volume id of its primary descriptor."""

    def is_file(self, path: str) -> bool:
        """Say whether there is a file of this name."""

    def glob(self, pattern: str) -> tuple[str, ...]:
        """Return the files whose path matches; `*` stays within a folder's name."""

    def read(self, path: str, limit: int = ...) -> bytes | None:
        """Return a small file's content, None if it is not there."""

    def read_part(self, path: str, offset: int, length: int) -> bytes:
        """Return up to `length` bytes of a file from `offset`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What a plugin found a medium to be: `title` in words, and the names of the family's systems that take it."""

    title: str
    systems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """What a plugin found on the media: `faults` (sentences without their stop) stop a build, `notes` are told."""

    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
