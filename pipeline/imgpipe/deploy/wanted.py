"""What a machine made from an image shall be: every decision as data, before anything is touched."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import Literal

from imgpipe.crypt_methods import hashes
from imgpipe.disk_source import CheckedDisk
from imgpipe.logins import Login
from imgpipe.offline_edits import Step
from imgpipe.os_family import CacheMode, Hardware, Personalise
from imgpipe.recipe import Machine
from imgpipe.source_nics import SourceNic

# Where nobody told a data root's own bytes: still nothing can be guessed, but another run makes other digests.
_OF_THIS_RUN = secrets.token_bytes(32)
_PRIVATE_KEY = "PRIVATE KEY-----"


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """What machines are made from: one version of a golden image, or a foreign disk.

    `disk` is a file of this host. `sha256` is empty for a foreign disk, and `version` too; `prepared` says that its
    seal stage put in the unit which applies an identity at first boot, so that no appliance is needed.
    Sizes are in bytes: `size` is the file's own, which a full copy takes, 0 where unknown. `machine` is what clones
    get unless they ask for something else. `proven` is False for a system that should have generalized itself, and
    of which nobody saw the proof. `foreign` is what was checked of a disk that imgpipe did not build. `own_files` is
    the family's `personalise_files`, where it has one. `least_memory` is what the system needs, 0 where no plugin
    knows it. `logins` are the accounts that let somebody in before a deploy adds to them, None where nobody knows.
    `nics` are those of the machine that the image was imported from.
    """

    name: str
    version: str
    disk: Path
    sha256: str
    virtual_size: int
    system: str
    os_id: str
    machine: Machine
    hardware: Hardware
    cache: CacheMode
    personalise: Personalise
    prepared: bool
    size: int = 0
    proven: bool = True
    foreign: CheckedDisk | None = None
    least_memory: int = 0
    logins: tuple[Login, ...] | None = None
    nics: tuple[SourceNic, ...] = ()
    own_files: Callable[[Identity, Personalise], tuple[Step, ...]] | None = field(
        default=None, compare=False, repr=False
    )

    @property
    def reference(self) -> str:
        """`NAME@VERSION`."""
        return f"{self.name}@{self.version}" if self.version else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedNic:
    """A network interface: where it is plugged in, and how the guest sets it up (DHCP without an address)."""

    kind: Literal["bridge", "network", "user"]
    source: str = ""
    mac: str
    address: IPv4Interface | None = None
    gateway: IPv4Address | None = None
    dns: tuple[IPv4Address, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedUser:
    """A user that the guest shall have; one that is there already keeps its home and gets keys and password."""

    name: str
    comment: str = ""
    groups: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    password_hash: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedFile:
    """A small file for the guest; `owner` is 'user' or 'user:group'; `secret` is what the fleet says of it."""

    path: str
    text: str = field(repr=False)
    mode: int = 0o644
    owner: str = "root:root"
    secret: bool = False

    @property
    def is_secret(self) -> bool:
        """Say whether its text must not stand in a definition: nobody but its owner may read it, or it tells so."""
        return self.secret or not self.mode & 0o077 or _PRIVATE_KEY in self.text or any(hashes(self.text))


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What tells one machine from another, as its guest shall see it; root's keys and password hash included.

    `password` is root's (the administrator's) own, only where the system takes no hash. `key` are the bytes that
    make its digests useless for guessing; no guest is told them.
    """

    hostname: str
    nics: tuple[WantedNic, ...]
    keys: tuple[str, ...] = ()
    password_hash: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    users: tuple[WantedUser, ...] = ()
    files: tuple[WantedFile, ...] = ()
    key: bytes = field(default=_OF_THIS_RUN, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedMachine:
    """One machine: its definition, its disk and its identity. `machine.disk` is the disk's virtual size in bytes.

    `uuid` is stable for the fleet, its id and the name. A `linked` disk is an overlay on the template, else a copy of
    its own. `fleet_id` is for its record: what it carries already, else the fleet's. So is `settings`, what it has of
    its own beside the fleet's file.
    """

    name: str
    uuid: str
    fleet: str
    group: str
    template: Template
    machine: Machine
    cache: CacheMode
    identity: Identity
    fleet_id: str = ""
    linked: bool = True
    autostart: bool = False
    start: bool = True
    settings: str = ""
