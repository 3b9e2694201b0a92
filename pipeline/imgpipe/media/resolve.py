"""From what a recipe wants to a medium that is here, verified, and the system's."""

from __future__ import annotations

from pathlib import Path

from imgpipe.artifacts import Medium
from imgpipe.errors import RecipeError
from imgpipe.events import Listener, Note
from imgpipe.media.cache import downloaded
from imgpipe.media.digests import file_digest
from imgpipe.media.find import Found, find_medium, not_found
from imgpipe.media.identify import MediumFacts, identify, mismatches
from imgpipe.media.made import made_medium
from imgpipe.media.progress import reporter
from imgpipe.media.request import STAND_IN, MediumRequest
from imgpipe.media.verify import expectations, verify
from imgpipe.os_family import MediumMaker
from imgpipe.store import Store
from imgpipe.urls import file_name, without_login


def resolve(request: MediumRequest, store: Store, notify: Listener) -> Medium:
    """Find, make or download the medium, verify it, and check that it is the system's.

    Raises RecipeError if there is none, if its digest is wrong, or if it is another system's.
    """
    path = _bring(request, store, notify)
    facts = identify(path)
    faults = mismatches(facts, request.system, allow_stand_in=request.wants_stand_in)
    if faults:
        raise _wrong_medium(path, facts, request, faults)
    # The demo's own medium is a stand-in too, though it takes no other's place.
    if facts.stand_in_for and mismatches(facts, request.system):
        notify(
            Note(
                text=f"'{facts.title}' is installed in place of {request.system.title}: it is a stand-in.", warning=True
            )
        )
    return Medium(
        path=path.absolute(),
        sha256=file_digest(path, "sha256", store, reporter(notify, f"reading {path.name}")),
        volume_id=facts.volume_id,
        title=facts.title,
        stand_in=facts.stand_in_for is not None,
    )


def _bring(request: MediumRequest, store: Store, notify: Listener) -> Path:
    """Return the medium's path, its digests verified where the recipe has any."""
    if request.wants_stand_in:
        return made_medium(_stand_in_maker(request), store, notify)
    found = find_medium(request, store)
    if found is None:
        if request.maker is None:
            raise not_found(request, store)
        return made_medium(request.maker, store, notify)
    if found.path is None:
        return _download(found.url, request, store, notify)
    _say_choice(found, found.path, notify)
    verify(found.path, expectations(request.source, found.path.name), store, notify)
    return found.path


def _download(url: str, request: MediumRequest, store: Store, notify: Listener) -> Path:
    expected = expectations(request.source, file_name(url))
    if not expected:
        raise RecipeError(
            f"The medium '{without_login(url)}' cannot be verified: the recipe has no digest for it.",
            hint="Give medium.sha256 or medium.checksums in the recipe, or download it yourself and name its path.",
        )
    return downloaded(url, expected, store, notify)


def _stand_in_maker(request: MediumRequest) -> MediumMaker:
    if request.stand_in is None:
        raise RecipeError(
            f"There is no stand-in medium for '{request.system.name}'.",
            hint="Only systems that a stand-in exists for take '--media stand-in'; see 'imgpipe media make'.",
        )
    return request.stand_in


def _say_choice(found: Found, path: Path, notify: Listener) -> None:
    if found.others:
        others = ", ".join(f"'{other.name}'" for other in found.others)
        notify(Note(text=f"Several media fit: '{path.name}' is the newest and is taken; others are {others}."))
    else:
        notify(Note(text=f"The medium is '{path}'."))


def _wrong_medium(path: Path, facts: MediumFacts, request: MediumRequest, faults: tuple[str, ...]) -> RecipeError:
    system = request.system
    hint = f"Name the medium of {system.title} with --media, or use the recipe of the medium's own system."
    if facts.stand_in_for:
        hint = f"This is a stand-in medium: to install it in place of {system.title}, use '--media {STAND_IN}'."
    return RecipeError(
        f"The medium '{path.name}' is '{facts.title}', which is not '{system.name}' ({system.title}).",
        hint=hint,
        details=faults,
    )
