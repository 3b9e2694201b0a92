"""All media of one install: the installer's own, the further ones it needs, and what a plugin finds on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from imgpipe.adapters.iso import open_iso
from imgpipe.artifacts import Medium
from imgpipe.errors import RecipeError
from imgpipe.events import Listener, Note
from imgpipe.media.request import STAND_IN, MediumRequest
from imgpipe.media.resolve import resolve
from imgpipe.os_family import FurtherMedium, Inspected, MediumContent, System
from imgpipe.store import Store

Inspect = Callable[[Mapping[str, MediumContent]], Inspected]


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


def resolve_all(request: MediaRequest, store: Store, notify: Listener) -> Medium:
    """Find, verify and inspect every medium; raises RecipeError with all that is wrong on them, before any boot."""
    own = resolve(request.own, store, notify)
    further = tuple(
        replace(resolve(other, store, notify), name=other.system.name)
        for other in request.further
        if isinstance(other.system, FurtherMedium)
    )
    medium = replace(own, further=further)
    if request.inspect:
        _inspect(medium, request.inspect, notify)
    return medium


def _inspect(medium: Medium, inspect: Inspect, notify: Listener) -> None:
    with ExitStack() as opened:
        content = {one.name: opened.enter_context(open_iso(one.path)) for one in (medium, *medium.further)}
        found = inspect(content)
    for note in found.notes:
        notify(Note(text=note))
    if not found.faults:
        return
    if medium.stand_in:
        # It is not the system's own and need not carry what that one does.
        notify(Note(text=f"The stand-in differs: {'; '.join(found.faults)}.", warning=True))
        return
    names = ", ".join(f"'{one.path.name}'" for one in (medium, *medium.further))
    raise RecipeError(
        f"The media {names} do not have what the recipe asks for.",
        hint="Change the recipe to what they have, or name other media with --media.",
        details=found.faults,
    )
