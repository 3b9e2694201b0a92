"""Where media are looked for, and which of several is taken."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from imgpipe.errors import RecipeError
from imgpipe.home import in_home
from imgpipe.media.request import MediumRequest
from imgpipe.store import Store
from imgpipe.trust import changed_by_others
from imgpipe.urls import local_path, without_login

FOLDERS_VARIABLE = "IMGPIPE_MEDIA"
"""Environment variable with media folders, separated by colons; they are looked in first."""

_HOST_FOLDERS = (Path("/var/lib/libvirt/images"), Path("/var/lib/libvirt/isos"))
_WILDCARD = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Where the medium is: a path here, or a URL to download. `others` fitted as well and are older."""

    path: Path | None = None
    url: str = ""
    others: tuple[Path, ...] = ()


def find_medium(request: MediumRequest, store: Store) -> Found | None:
    """Return where the wanted medium is; None if nobody named one and no folder has one of the system's names.

    In this order: the operator's word, the recipe's file, the recipe's URL, the system's own names. Raises RecipeError
    if what was named is not there.
    """
    folders = media_folders(request.folders, store)
    if request.override:
        return named(request.override, folders, "--media")
    if request.source.file:
        return named(request.source.file, folders, "medium.file")
    if request.source.url:
        return named(request.source.url, folders, "medium.url")
    for pattern in request.system.media:
        if found := _newest(_matches(pattern, folders)):
            return found
    return None


def media_folders(own: tuple[Path, ...], store: Store) -> tuple[Path, ...]:
    """Return the folders in which media are looked for, in order, whether they exist or not."""
    first = [in_home(name) for name in os.environ.get(FOLDERS_VARIABLE, "").split(":") if name]
    folders = (*first, *own, *_current_folder(), store.root / "media", *_HOST_FOLDERS)
    return tuple(dict.fromkeys(folder.absolute() for folder in folders))


def _current_folder() -> tuple[Path, ...]:
    """Return the current folder, unless it is gone or somebody else may put media into it, which nobody asked for."""
    try:
        here = Path.cwd()
        return () if changed_by_others(here, entries=True) else (here,)
    except OSError:
        return ()


def media_in(folder: Path) -> tuple[Path, ...]:
    """Return the ISO files of a folder by name; none if the folder is missing or may not be listed."""
    try:
        return tuple(sorted(path for path in folder.iterdir() if path.suffix.lower() == ".iso" and path.is_file()))
    except OSError:
        return ()


def not_found(request: MediumRequest, store: Store) -> RecipeError:
    """Return the error for a system whose medium is nowhere: where it was looked for, and what would help."""
    system = request.system
    best = request.folders[0] if request.folders else store.root / "media"
    source = f" from {system.download}" if system.download else ""
    return RecipeError(
        f"There is no installation medium for '{system.name}' ({system.title}).",
        hint=f"Download it{source} into '{best}', or name it with --media PATH. "
        "'imgpipe build demo' needs no medium and shows the whole way.",
        details=(
            *(f"looked for: {pattern}" for pattern in system.media),
            *(f"looked in: {folder} ({_content(folder)})" for folder in media_folders(request.folders, store)),
        ),
    )


def natural_order(name: str) -> tuple[tuple[int, int | str], ...]:
    """Order names by the numbers in them, so that 9.10 comes after 9.9."""
    parts = re.split(r"([0-9]+)", name.lower())
    return tuple((1, int(part)) if part.isdecimal() else (0, part) for part in parts)


def named(text: str, folders: tuple[Path, ...], key: str) -> Found:
    """Return the medium that `text` names: a URL, a path, or a name in the folders; `key` says who names it.

    A name may have wildcards, and the newest of the files that fit is meant. Raises RecipeError if there is none.
    """
    path = local_path(text)
    if path is None:
        return Found(url=text)
    if "/" in text or text.startswith("~") or path.is_file():
        found = _newest(_at(path))
        looked = [f"looked at: {path.absolute()}"]
    else:
        found = _newest(_matches(text, folders))
        looked = [f"looked in: {folder} ({_content(folder)})" for folder in folders]
    if found is None:
        near = _nearest(text, folders)
        raise RecipeError(
            f"There is no medium '{without_login(text)}', which {key} names.",
            hint=f"{near}Give a path, a URL, or the name of a file in one of the media folders ({FOLDERS_VARIABLE}); "
            "'imgpipe media list' shows them.",
            details=looked,
        )
    return found


def _nearest(text: str, folders: tuple[Path, ...]) -> str:
    """Return a question that names the file most like the one that is not there."""
    names = [path.name for folder in (*folders, local_path(text) or Path()) for path in media_in(folder.absolute())]
    near = difflib.get_close_matches(text.rpartition("/")[2], names, n=1)
    return f"Did you mean '{near[0]}'? " if near else ""


def _at(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not _WILDCARD.search(path.name):
        return []
    return [candidate for candidate in _files(path.parent) if fits(candidate, path.name)]


def _matches(pattern: str, folders: tuple[Path, ...]) -> list[Path]:
    """Return the files that fit, each name once: the folders come in order of preference."""
    found: dict[str, Path] = {}
    for folder in folders:
        for path in _files(folder):
            if fits(path, pattern):
                found.setdefault(path.name, path)
    return list(found.values())


def _files(folder: Path) -> Iterator[Path]:
    try:
        yield from (path for path in sorted(folder.iterdir()) if path.is_file())
    except OSError:
        return


def fits(path: Path, pattern: str) -> bool:
    """Say whether a file's name is of a pattern; letters' case does not count."""
    return fnmatchcase(path.name.lower(), pattern.lower())


def _newest(paths: list[Path]) -> Found | None:
    if not paths:
        return None
    newest, *others = sorted(paths, key=lambda path: natural_order(path.name), reverse=True)
    return Found(path=newest.absolute(), others=tuple(others))


def _content(folder: Path) -> str:
    if not folder.is_dir():
        return "no such folder"
    if not os.access(folder, os.R_OK | os.X_OK):
        return "may not be listed"
    count = len(media_in(folder))
    return "no ISO files" if count == 0 else f"{count} ISO file{'s' if count > 1 else ''}"
