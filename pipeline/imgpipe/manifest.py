"""The manifest of a golden image: what it is, what it was made of, how and where, and what was found true of it.

It is written last into a version's folder and never changes. `read` is the only door back in: strict, so that a
manifest that says less, or something else, than it should is damaged and not half believed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from imgpipe.disclosure import printable, without_secrets
from imgpipe.errors import HostError
from imgpipe.model_faults import faults
from imgpipe.own_files import read_own, write_new
from imgpipe.recipe import Identifier, Sha256

FORMAT = 1
_MOST_BYTES = 32 * 2**20

Version = Annotated[str, Field(pattern=r"^[0-9]{8}\.[1-9][0-9]{0,8}$")]
"""`YYYYMMDD.N`: the UTC date of publishing and a serial number."""


class Record(BaseModel):
    """A part of a manifest: unknown keys are damage, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SystemPart(Record):
    """The operating system: as the recipe names it, and as the disk itself says."""

    name: str
    title: str
    family: str
    product: str
    distro: str
    version: str


class MediumPart(Record):
    """The installation medium; `stand_in` says that it only behaves as the system's own."""

    title: str
    sha256: str
    volume_id: str
    file: str
    stand_in: bool


class HostPart(Record):
    """Where the image was made, and whether its guests ran on 'kvm' or 'tcg'."""

    name: str
    os: str
    arch: str
    kernel: str
    accelerator: str


class SealedPart(Record):
    """What sysprep did, in order, and what was then found true of the disk.

    `generalized` is the proof of a system that sealed itself; without it, such an image is no template.
    """

    package_format: str
    packages: int
    operations: tuple[str, ...]
    asserted: tuple[str, ...]
    generalized: dict[str, str] = {}


class CheckPart(Record):
    """What the booted image said of one check; its whole output is in the report."""

    name: str
    passed: bool


class ImagePart(Record):
    """The disk image; sizes in bytes."""

    file: str
    format: Literal["qcow2"]
    sha256: Sha256
    size: Annotated[int, Field(ge=0)]
    virtual_size: Annotated[int, Field(gt=0)]


class Keys(Record):
    """The names of the work that went into the image; equal keys mean equal inputs."""

    install: str
    seal: str
    publish: str


class Manifest(Record):
    """Everything that is known of one golden image, format 1.

    `plan` is what `imgpipe plan` shows, without secrets. `answer_files` and `files` have a sha256 by name: of what
    the installer was told, and of what lies beside the image. `further_media` were attached beside the medium, by
    name. `seconds` has how long each stage took.
    """

    format: Literal[1] = 1
    name: Identifier
    version: Version
    created: AwareDatetime
    system: SystemPart
    medium: MediumPart | None
    further_media: dict[str, MediumPart] = {}
    answer_files: dict[str, str]
    image: ImagePart
    files: dict[str, Sha256]
    sealed: SealedPart
    verified: tuple[CheckPart, ...]
    facts: dict[str, str]
    keys: Keys
    host: HostPart
    tools: dict[str, str]
    seconds: dict[str, float]
    plan: dict[str, Any]


def write(path: Path, manifest: Manifest) -> None:
    """Write `manifest` to `path`; password hashes are taken out, wherever they came from."""
    write_new(path, without_secrets(manifest.model_dump_json(indent=2)) + "\n")


def read(path: Path) -> Manifest:
    """Read a manifest.

    Raises HostError that says what is wrong with the file; its details name each faulty key.
    """
    try:
        return Manifest.model_validate_json(read_own(path, _MOST_BYTES))
    except OSError as error:
        raise HostError(f"The manifest '{path}' cannot be read: {error.strerror}.") from None
    except ValidationError as error:
        raise HostError(
            f"The manifest '{path}' is damaged, or made by another version of imgpipe.",
            hint="Build the image again, or restore its folder from a backup.",
            details=[printable(fault, 200) for fault in faults(error, Manifest)[:20]],
        ) from None
