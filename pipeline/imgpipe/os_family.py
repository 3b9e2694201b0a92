"""What an operating system plugin answers: the records between plugins and the pipeline.

A plugin returns these values and has no effects of its own: it starts no program, opens no socket and sees no
libvirt. `OsFamily.prepare` is asked once for a recipe and answers everything that is particular about it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel

from imgpipe.offline_edits import Operation, Step
from imgpipe.recipe import Recipe, Table
from imgpipe.self_sealing import SelfSealing, SystemVolume

if TYPE_CHECKING:  # it is made of this module's records
    from imgpipe.deploy.wanted import Identity

AnswerKind = Literal["kickstart", "preseed", "autoinstall", "unattend"]
UNTESTED = "rendered and checked only; never installed, for want of a medium"
CacheMode = Literal["none", "writeback", "writethrough", "directsync", "unsafe"]
NetworkTool = Literal["keyfile", "ifcfg", "ifupdown", "netplan", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MediumIdentity:
    """What a medium must say of itself to be this system's; regular expressions, matched from the start.

    `family` is matched with `.treeinfo`'s [general] family, `version` with its version, `disk_info` with
    `.disk/info`, `volume_id` with the ISO's own; an empty expression is not looked at. A medium that carries
    neither `.treeinfo` nor `.disk/info` is judged by its volume id alone.
    """

    family: str = ""
    version: str = ""
    disk_info: str = ""
    volume_id: str = ""
    arch: str = "x86_64"


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """One release of an operating system.

    `media` are file name patterns to look for, in order of preference. `makes` names the MediumMaker that can
    make a medium where none is found. `tested` says in a phrase what was tried, and how. `memory` is the least
    its installer really needs, in bytes; `cpu_level` the x86-64 level its binaries need (1 to 4).
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


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerFile:
    """A file for the installer; `secret` keeps its text out of everything that is shown or kept."""

    name: str
    text: str = field(repr=False)
    secret: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """The answer files and the way they reach the installer.

    `iso`: a small ISO with volume id `volume_id`, Joliet and Rock Ridge, as second CD. `initrd`: a cpio archive
    appended to the installer's initrd, files at its root.
    """

    files: tuple[AnswerFile, ...]
    place: Literal["iso", "initrd"] = "iso"
    volume_id: str = "ks"


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelBoot:
    r"""Boot the installer's kernel directly.

    `.treeinfo` says first where kernel and initrd are; `kernel` and `initrd` are wildcard paths in the ISO to try
    after it. In `arguments`, `{volume_id}` stands for the medium's volume id, escaped as udev does (`\x20`).
    """

    kernel: tuple[str, ...]
    initrd: tuple[str, ...]
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CdBoot:
    """Boot the medium itself; `keys` are libvirt's key names to press while it asks ('KEY_SPACE')."""

    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """The devices that this system gets, in the install and in every machine made from the image."""

    disk_bus: Literal["virtio", "sata", "scsi"] = "virtio"
    cache: CacheMode = "none"
    nic_model: Literal["virtio", "e1000e", "e1000"] = "virtio"
    clock: Literal["utc", "localtime"] = "utc"
    hyperv: bool = False
    tpm: bool = False
    secure_boot: bool = False
    graphics: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A line of the installer that means progress.

    `percent` of the whole installation when the line shows. With groups `done` and `total` in the pattern, the
    phase runs from `percent` to `until` as done approaches total.
    """

    pattern: str
    label: str
    percent: float
    until: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A line of the installer that means failure; `reason` is a sentence, which may use the pattern's groups.

    A `general` line says only that it failed: a line right after it that says why has the word.
    """

    pattern: str
    reason: str
    general: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """How to read the installer: patterns are searched in each line without escape codes.

    `waiting` are lines of a question that nobody will answer; they count when the line stays the last one.
    `benign` lines are never trouble, whatever else matches. `log_channel` names the virtio-serial port that the
    installer writes its log to; its lines are read in the same way.
    """

    phases: tuple[Phase, ...]
    troubles: tuple[Trouble, ...]
    waiting: tuple[Trouble, ...] = ()
    benign: tuple[str, ...] = ()
    log_channel: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What shows that the installation really ended: the answer file's own last act.

    `console` is the exact text of a line on the serial console; `file` with `content` is read from the disk.
    """

    console: str
    failure: str
    file: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A command that must succeed in the booted image; run by /bin/sh in the guest, as root."""

    name: str
    script: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Personalise:
    """How a clone of this system gets its identity; without an appliance, but for the way 'unattend'.

    There, the family's own files are written to each clone's disk before its first boot: to `volume`. `settings`
    are what the family must know of the template again then, such as its time zone; never a secret.
    """

    way: Literal["first-boot", "cloud-init", "cloudbase-init", "unattend"] = "first-boot"
    network: NetworkTool = "keyfile"
    volume: SystemVolume | None = None
    settings: tuple[tuple[str, str], ...] = ()

    @property
    def is_windows(self) -> bool:
        """Say whether guests have a computer name, and an administrator whose password is told as it is."""
        return self.way in {"unattend", "cloudbase-init"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Unattended:
    """Everything that is particular about installing one recipe: the answer to `OsFamily.prepare`.

    `needs_network` says that the installer fetches packages, so its NICs get user networking. With `sealing`, the
    system generalizes itself before it switches off: its disk is the proof, and it is never booted before a clone is.
    """

    seed: Seed
    boot: KernelBoot | CdBoot
    hardware: Hardware
    console: Console
    proof: Proof
    operations: tuple[Operation, ...] = ()
    checks: tuple[Check, ...] = ()
    personalise: Personalise = Personalise()
    sealing: SelfSealing | None = None
    needs_network: bool = False
    disk_layout: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account's secrets, resolved and hashed (crypt(5)); `password_hash` empty means locked.

    `password` is what was given, only where the system takes no hash.
    """

    name: str
    password_hash: str = field(default="", repr=False)
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a plugin is asked: the recipe, its own options already parsed, and what was resolved from outside.

    `own_answer_file` is the text that the operator brought instead of a rendered one. `mirror` is the package
    mirror that an installer from the network shall use (recipe, else the host's own); empty if unknown.
    """

    recipe: Recipe
    system: System
    options: Table
    accounts: Mapping[str, Account]
    own_answer_file: str | None = None
    mirror: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something wrong in an answer file; `line` counts from 1, 0 where no line is to blame."""

    line: int
    text: str
    severity: Literal["error", "warning"] = "error"


class NoOptions(Table):
    """For a family without settings of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OsFamily:
    """A kind of operating system: its releases and how they are installed unattended.

    `lint` reports everything that is wrong in an answer file's text for a system, given the firmware ('bios' or
    'uefi'); what `prepare` renders must pass it. `stand_in` names the MediumMaker of a medium that behaves as
    this family's installer does. `personalise_files` gives the edits of one clone's disk, for a family whose
    systems cannot take their identity from the machine's definition (`Personalise.way` is 'unattend'); it raises
    RecipeError, each fault a detail, for an identity that such a system would refuse.
    """

    name: str
    answer_kind: AnswerKind
    systems: tuple[System, ...]
    prepare: Callable[[Order], Unattended]
    lint: Callable[[str, System, str], tuple[Fault, ...]]
    options: type[BaseModel] = NoOptions
    stand_in: str = ""
    personalise_files: Callable[[Identity, Personalise], tuple[Step, ...]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MediumMaker:
    """Something that makes an installation medium on this host, from packages.

    `make(target, notify)` writes the ISO to `target`; `fingerprint()` changes when what it would make changes, so
    that a made medium is kept. `programs` must be on PATH.
    """

    name: str
    summary: str
    make: Callable[[Path, Callable[[str], None]], None]
    fingerprint: Callable[[], str]
    programs: tuple[str, ...] = ()
