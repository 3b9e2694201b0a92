"""Installation media: what is here, and whether a recipe's is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from shlex import quote

from imgpipe.adapters import process
from imgpipe.errors import RecipeError
from imgpipe.host.doctor.finding import Finding
from imgpipe.media.find import find_medium, media_folders, media_in, not_found
from imgpipe.media.request import MediumRequest
from imgpipe.os_family import MediumMaker
from imgpipe.store import Store


def gather(own: tuple[Path, ...], store: Store) -> Mapping[Path, int]:
    """Return how many ISOs each media folder has, those without any left out."""
    counts = {folder: len(media_in(folder)) for folder in media_folders(own, store)}
    return {folder: count for folder, count in counts.items() if count}


def judge(counts: Mapping[Path, int], store: Store) -> Finding:
    """Say what media are here; none is no fault, for some systems' are made from packages."""
    if counts:
        listed = ", ".join(f"{count} in '{folder}'" for folder, count in counts.items())
        return Finding(name="media", state="ok", meaning=f"ISOs: {listed}.", commands=())
    return Finding(
        name="media",
        state="warn",
        meaning="There is no ISO in any media folder; only what is made from packages can be built.",
        commands=(f"mkdir -p {quote(str(store.root / 'media'))}", "imgpipe media list"),
    )


def judge_request(request: MediumRequest, store: Store) -> Finding:
    """Say whether a recipe's medium is here, or can be had."""
    maker = request.stand_in if request.wants_stand_in else None
    try:
        found = None if maker else find_medium(request, store)
    except RecipeError as error:
        return _absent(error)
    if found and found.path:
        return Finding(name="medium", state="ok", meaning=f"The medium is '{found.path}'.")
    if found:
        return Finding(name="medium", state="ok", meaning="The medium will be downloaded and verified.")
    maker = maker or request.maker
    if maker is None:
        return _absent(not_found(request, store))
    return _made(maker)


def _made(maker: MediumMaker) -> Finding:
    if lacking := _lacking(maker.programs):
        listed = ", ".join(f"'{program}'" for program in lacking)
        return Finding(
            name="medium",
            state="fail",
            meaning=f"The medium '{maker.name}' is made from packages, and these programs are missing: {listed}.",
            commands=("./imgpipe setup",),
        )
    return Finding(name="medium", state="ok", meaning=f"The medium '{maker.name}' is made from packages.")


def _lacking(programs: Iterable[str]) -> tuple[str, ...]:
    return tuple(program for program in programs if not process.is_installed(program))


def _absent(error: RecipeError) -> Finding:
    return Finding(name="medium", state="fail", meaning=f"{error} {error.hint}", commands=("imgpipe media list",))
