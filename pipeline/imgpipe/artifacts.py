"""What the stages hand on: each type is the proof that its stage succeeded."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Medium:
    """An installation medium that was found, verified and read.

    `title` is what the medium calls itself; `stand_in` says that it behaves as the system's installer but is not
    the system's own. `further` are the media that are attached beside it, each with its `name`.
    """

    path: Path
    sha256: str
    volume_id: str
    title: str
    stand_in: bool = False
    name: str = ""
    further: tuple[Medium, ...] = ()

    @property
    def digest(self) -> str:
        """What names all media together: the only one's sha256, else one of all of them in order."""
        return joint_digest(self.sha256, *(medium.sha256 for medium in self.further))


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedMedia:
    """What the install machine boots from, besides the medium: files in the work folder of one install.

    `kernel`, `initrd` and `arguments` are None and empty where the medium itself is booted; `iso` is None where
    the answer files are inside `initrd`. `digests` has the sha256 of each answer file by name.
    """

    folder: Path
    digests: tuple[tuple[str, str], ...]
    kernel: Path | None = None
    initrd: Path | None = None
    arguments: tuple[str, ...] = ()
    iso: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledDisk:
    """A disk whose installer proved that it finished; `folder` also holds its console and log.

    `reused` says that an earlier run made it.
    """

    path: Path
    folder: Path
    key: str
    seconds: float
    reused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package of the image's own package database; an empty text is something that it does not say.

    `version` is EPOCH:VERSION-RELEASE as far as it has them. `source` is what it was built of: the file name of a
    source RPM; NAME, or NAME@VERSION where that differs, for others.
    """

    name: str
    version: str
    arch: str = ""
    source: str = ""
    supplier: str = ""
    licence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageList:
    """The packages of an image, and whose they are: 'rpm', 'deb' or 'apk'; both are empty where nobody knows."""

    format: str = ""
    packages: tuple[Package, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OsRelease:
    """What a Linux system says of itself (os-release(5)); an empty text is something that it does not say."""

    id: str = ""
    version: str = ""
    name: str = ""
    title: str = ""
    cpe: str = ""
    home: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedState:
    """What was read back from the disk after sealing it; `release` is the system's own word, the rest libguestfs'.

    `operations` were applied, in order; `asserted` are sentences that were found true. `generalized` is what a
    system that sealed itself left as its proof, by name; empty for one that was sealed offline.
    """

    product: str
    distro: str
    version: str
    package_format: str
    operations: tuple[str, ...]
    asserted: tuple[str, ...]
    generalized: tuple[tuple[str, str], ...] = ()
    packages: tuple[Package, ...] = field(repr=False, default=())
    release: OsRelease = OsRelease()


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedDisk:
    """A disk that is generalized: every claim of its `state` was read back from it.

    `reused` says that an earlier run made it.
    """

    path: Path
    folder: Path
    key: str
    state: SealedState
    seconds: float
    reused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What the guest said of one check."""

    name: str
    passed: bool
    output: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedDisk:
    """A sealed disk of which a throwaway clone booted and passed every check."""

    sealed: SealedDisk
    results: tuple[CheckResult, ...]
    facts: tuple[tuple[str, str], ...]
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenImage:
    """A published image: read-only, versioned, with its manifest beside it."""

    name: str
    version: str
    path: Path
    manifest: Path


def joint_digest(first: str, *further: str) -> str:
    """Return one digest for several media; `first` itself where it is the only one."""
    return hashlib.sha256(" ".join((first, *further)).encode()).hexdigest() if further else first
