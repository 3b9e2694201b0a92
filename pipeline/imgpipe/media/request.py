"""What is asked of the search for the media of an install."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from imgpipe.errors import RecipeError
from imgpipe.os_family import FurtherMedium, Inspected, MediumContent, MediumMaker, System
from imgpipe.recipe import MediumSource

Inspect = Callable[[Mapping[str, MediumContent]], Inspected]
STAND_IN = "stand-in"
"""The override that asks for the medium which `MediumRequest.stand_in` makes."""
STAND_IN_FAMILY = "imgpipe stand-in"
"""The family by which stand-in media announce themselves in `.treeinfo`; `answers` beside it is what they read."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaRequest:
    """The media of an install: the installer's own, further ones, and what compares them with the plan."""

    own: MediumRequest
    further: tuple[MediumRequest, ...] = ()
    inspect: Inspect | None = None


def named_overrides(words: Sequence[str], system: System) -> dict[str, str]:
    """Return what `--media` says by medium: 'virtio=PATH' for a further one, '' for the installer's own.

    Where the installer's own is a stand-in, so are further media that nothing else is said of. Raises RecipeError
    where one medium is named twice.
    """
    names = {medium.name for medium in system.further}
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        key, value = (name, value) if equals and name in names else ("", word)
        if key in found:
            raise RecipeError(
                f"--media names two media for the one {f'that is called {key!r}' if key else 'of the installer'}.",
                hint=f"Further media are written NAME=PATH; {system.title} has {', '.join(names) or 'none'}.",
            )
        found[key] = value
    if found.get("") == STAND_IN:
        found = {medium.name: STAND_IN for medium in system.further if medium.stand_in} | found
    return found
