"""All media of one install: the installer's own, the further ones it needs, and what a plugin finds on them."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

from imgpipe.adapters.iso import open_iso
from imgpipe.artifacts import Medium
from imgpipe.errors import RecipeError
from imgpipe.events import Listener, Note
from imgpipe.media.request import Inspect, MediaRequest
from imgpipe.media.resolve import resolve
from imgpipe.os_family import FurtherMedium
from imgpipe.store import Store


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
