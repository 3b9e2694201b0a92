"""What an install leaves behind about itself, for the manifest of the images made from it.

The install stage writes `install.json` into the work folder; publishing reads it there, since all it is
handed is a disk. A record that is missing or lacks something costs the manifest that something, never the image.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from imgpipe.artifacts import Medium, joint_digest
from imgpipe.disclosure import without_secrets
from imgpipe.own_files import read_own, write_new
from imgpipe.store import finished_file

RECORD = "install.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class MediumRecord:
    """Which medium was installed from; `file` is its name alone, since folders differ between hosts.

    `name` is empty but for the `further` media that were attached beside the installer's own.
    """

    title: str = ""
    sha256: str = ""
    volume_id: str = ""
    file: str = ""
    stand_in: bool = False
    name: str = ""
    further: tuple[MediumRecord, ...] = ()

    @property
    def digest(self) -> str:
        """What names all media together, as `Medium.digest`."""
        return joint_digest(self.sha256, *(medium.sha256 for medium in self.further))


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallRecord:
    """How one install was made.

    `answer_files` has the sha256 of each by name; `accelerator` is 'kvm' or 'tcg'; `tools` has the versions of
    programs by name ('libvirt', 'qemu'); `finished` is a time in ISO 8601, UTC. `phases` has the second in which
    each phase of the installer was first seen.
    """

    system: str = ""
    medium: MediumRecord | None = None
    answer_files: Mapping[str, str] = field(default_factory=dict)
    accelerator: str = ""
    seconds: float | None = None
    tools: Mapping[str, str] = field(default_factory=dict)
    finished: str = ""
    phases: Mapping[str, float] = field(default_factory=dict)


_RECORD = TypeAdapter(InstallRecord)


def medium_record(medium: Medium) -> MediumRecord:
    """Return what a manifest keeps of `medium`."""
    return MediumRecord(
        title=medium.title,
        sha256=medium.sha256,
        volume_id=medium.volume_id,
        file=medium.path.name,
        stand_in=medium.stand_in,
        name=medium.name,
        further=tuple(medium_record(other) for other in medium.further),
    )


def write_record(folder: Path, record: InstallRecord) -> None:
    """Leave `record` in the work folder of an install, in place of what was there."""
    text = json.dumps(dataclasses.asdict(record), indent=2)
    with finished_file(folder / RECORD) as partial:
        write_new(partial, without_secrets(text) + "\n")


def read_record(folder: Path) -> InstallRecord | None:
    """Return the record in `folder`; None where there is none that can be read.

    Fields that are missing have their defaults, fields of a later version are passed over.
    """
    try:
        return _RECORD.validate_json(read_own(folder / RECORD))
    except (OSError, ValidationError):
        return None


def add_tools(folder: Path, versions: Mapping[str, str]) -> None:
    """Add versions of programs to the record in `folder`: what a later stage used."""
    record = read_record(folder) or InstallRecord()
    write_record(folder, dataclasses.replace(record, tools={**record.tools, **versions}))
