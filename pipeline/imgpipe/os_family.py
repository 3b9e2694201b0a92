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
from imgpipe.system import UNTESTED, Described, FurtherMedium, Inspected, MediumContent, MediumIdentity, System

if TYPE_CHECKING:  # it is made of this module's records
    from imgpipe.deploy.wanted import Identity

# A plugin imports all records from here, wherever they are.
__all__ = ["UNTESTED", "Described", "FurtherMedium", "Inspected", "MediumContent", "MediumIdentity", "System"]

AnswerKind = Literal["kickstart", "preseed", "autoinstall", "unattend"]
CacheMode = Literal["none", "writeback", "writethrough", "directsync", "unsafe"]
NetworkTool = Literal["keyfile", "ifcfg", "ifupdown", "netplan", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerFile:
    """A file for the installer; `secret` keeps its text out of everything that is shown or kept."""

    name: str
    text: str = field(repr=False)
    secret: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class MediumCopy:
    """Files of a medium that the seed ISO carries too.

    `medium` is a FurtherMedium's name, empty for the installer's own. Of `sources`, paths on it, the first that is
    there is taken: a file is copied to the path `target`, the files of a folder (not its folders) into it.
    `leave_out` are wildcards of names that are not copied.
    """

    medium: str
    sources: tuple[str, ...]
    target: str
    leave_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """The answer files and the way they reach the installer.

    `iso`: a small ISO with volume id `volume_id`, Joliet and Rock Ridge, as last CD; `copies` are on it too.
    `initrd`: a cpio archive appended to the installer's initrd, files at its root.
    """

    files: tuple[AnswerFile, ...]
    copies: tuple[MediumCopy, ...] = ()
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
    """The devices that this system gets, in the install and in every machine made from the image.

    `hyperv` offers Windows what it can use of a hypervisor, where the accelerator has it. `usb` is the controller:
    systems older than USB 3 have no driver for 'xhci'.
    """

    disk_bus: Literal["virtio", "sata", "scsi"] = "virtio"
    cache: CacheMode = "none"
    nic_model: Literal["virtio", "e1000e", "e1000"] = "virtio"
    clock: Literal["utc", "localtime"] = "utc"
    hyperv: bool = False
    tpm: bool = False
    secure_boot: bool = False
    graphics: bool = False
    usb: Literal["xhci", "ehci"] = "xhci"


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A line of the installer that means progress.

    `percent` of the whole installation when the line shows. With groups `done` and `total` in the pattern, the
    phase runs from `percent` to `until` as done approaches total. One that `creeps` has lines without a count, each of
    which goes a fiftieth of what is left on to `until`: progress is seen, and its end is never passed.
    """

    pattern: str
    label: str
    percent: float
    until: float | None = None
    creeps: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A line of the installer that means failure; `reason` is a sentence, which may use the pattern's groups.

    A `general` line says only that it failed: a line right after it that says why has the word. With `after`, the line
    counts only where one of the three before it, without the kernel's, matches that pattern too; the reason may use
    the groups of both.
    """

    pattern: str
    reason: str
    general: bool = False
    after: str = ""


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

    There, the family's own files are written to each clone's disk, to `volume`; with 'unattend-cd', to a small CD.
    `settings` are what the family must know of the template again then, such as its time zone; never a secret.
    """

    way: Literal["first-boot", "cloud-init", "cloudbase-init", "unattend", "unattend-cd"] = "first-boot"
    network: NetworkTool = "keyfile"
    volume: SystemVolume | None = None
    settings: tuple[tuple[str, str], ...] = ()

    @property
    def is_windows(self) -> bool:
        """Say whether guests have a computer name, and an administrator whose password is told as it is."""
        return self.by_answer_file or self.way == "cloudbase-init"

    @property
    def by_answer_file(self) -> bool:
        """Say whether guests get files of the family's own, which they read at their first boot and never again."""
        return self.way in {"unattend", "unattend-cd"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Unattended:
    """Everything that is particular about installing one recipe: the answer to `OsFamily.prepare`.

    `needs_network` says that the installer fetches packages, so its NICs get user networking. With `sealing`, the
    system generalizes itself before it switches off: its disk is the proof, it is never booted before a clone is, and
    the core's operations and checks, which are for Linux, do not apply. `expects` is a frozen record of the plugin's
    own, for `OsFamily.inspect`. `remarks` are lines that a plan shows beside what the pipeline decides.
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
    expects: object = None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account's secrets, resolved and hashed (crypt(5)); `password_hash` empty means locked.

    `password` is the plain text, for a family that says `clear_passwords`; empty where the source holds a hash.
    """

    name: str
    password_hash: str = field(default="", repr=False)
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a plugin is asked: the recipe, its own options already parsed, and what was resolved from outside.

    `own_answer_file` is the text that the operator brought instead of a rendered one. `mirror` is the package
    mirror that an installer from the network shall use (recipe, else the host's own); empty if unknown.
    `product_key` is the one that `install.product_key` of the recipe leads to.
    """

    recipe: Recipe
    system: System
    options: Table
    accounts: Mapping[str, Account]
    own_answer_file: str | None = None
    mirror: str = ""
    product_key: str = field(default="", repr=False)


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

    `lint` reports everything that is wrong in an answer file's text for a system and firmware ('bios' or 'uefi'); what
    `prepare` renders must pass it. `stand_in` names the MediumMaker of a medium that behaves as this family's installer
    does. `personalise_files` gives the edits of one clone's disk where the machine's definition cannot tell who it is
    (`Personalise.way` is 'unattend'; files alone for 'unattend-cd'); it raises RecipeError, each fault a detail, for an
    identity to refuse. `inspect` compares the media (the installer's own is '') with what a build needs of them, before
    anything boots. `describe` says what a medium is that does not say it in text, None of any other family's; it raises
    nothing. `clear_passwords`: its installers take no hashes, so `Account.password` is filled.
    """

    name: str
    answer_kind: AnswerKind
    systems: tuple[System, ...]
    prepare: Callable[[Order], Unattended]
    lint: Callable[[str, System, str], tuple[Fault, ...]]
    options: type[BaseModel] = NoOptions
    stand_in: str = ""
    personalise_files: Callable[[Identity, Personalise], tuple[Step, ...]] | None = None
    inspect: Callable[[System, Unattended, Mapping[str, MediumContent]], Inspected] | None = None
    describe: Callable[[MediumContent], Described | None] | None = None
    clear_passwords: bool = False


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
