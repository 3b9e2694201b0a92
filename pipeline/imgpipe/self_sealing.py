"""Systems that generalize themselves and then switch off: what is read from their disks, and who judges it.

The first boot of such a disk belongs to its first clone, so nothing can be asked of it but offline. A plugin names
what is read and judges it by a pure function; it never sees the disk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

MOST_READ = 2**20
"""Bytes that are read of one file: its start, or the end of a log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemVolume:
    """The file system of a disk that holds the system: the only one with every path of `holds`, in any case."""

    holds: tuple[str, ...]
    filesystem: Literal["ntfs"] = "ntfs"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryValue:
    r"""A value in a hive of Windows' registry: the hive's file, its key without the root ('Setup\State'), its name."""

    hive: str
    key: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskFacts:
    """What was read from a disk, written by a guest that may lie; None is a file or value that is not there.

    `unclean` are the reasons why its file system must not be written to; none if it was closed as it should be.
    """

    files: Mapping[str, bytes | None]
    registry: Mapping[RegistryValue, str | None]
    unclean: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What the facts mean: sentences that hold, and those about what does not; without any of these it is sealed.

    `product` and `version` are the system's own words; `state` goes into the manifest, as the proof.
    """

    asserted: tuple[str, ...]
    faults: tuple[str, ...]
    state: tuple[tuple[str, str], ...] = ()
    product: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why it failed, as the logs tell: one sentence, empty where they do not say, and lines without secrets."""

    reason: str = ""
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfSealing:
    """How it is proven that a system sealed itself: power-off ends the install, and `judge` says what it was worth.

    `files` and `registry` are read for it. Where it finds a fault, `explain` gets the ends of what matches the glob
    patterns `logs`, and the first KiB of what matches `dumps`, by path. No password of the answer files may be in what
    matches `secret_places` afterwards.
    """

    volume: SystemVolume
    files: tuple[str, ...]
    registry: tuple[RegistryValue, ...]
    judge: Callable[[DiskFacts], Judgement]
    logs: tuple[str, ...]
    explain: Callable[[Mapping[str, bytes]], Explanation]
    secret_places: tuple[str, ...]
    dumps: tuple[str, ...] = ()
