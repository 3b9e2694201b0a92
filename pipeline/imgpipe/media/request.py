"""What is asked of the search for a medium."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from imgpipe.os_family import FurtherMedium, MediumMaker, System
from imgpipe.recipe import MediumSource

STAND_IN = "stand-in"
"""The override that asks for the medium which `MediumRequest.stand_in` makes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediumRequest:
    """A system's medium, or a further one that its installer needs.

    It is wanted from `source`, or from where the operator says instead (`override`): a path, a name (wildcards
    allowed), a URL, or `stand-in`. `folders` are the project's own media folders. `maker` is what `system.makes`
    names; `stand_in` what the system's family names.
    """

    system: System | FurtherMedium
    source: MediumSource
    override: str | None = None
    maker: MediumMaker | None = None
    stand_in: MediumMaker | None = None
    folders: tuple[Path, ...] = ()

    @property
    def wants_stand_in(self) -> bool:
        """Whether the operator asked for the stand-in instead of the system's own medium."""
        return self.override == STAND_IN
