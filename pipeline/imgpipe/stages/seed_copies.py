"""Files of media that the seed ISO carries too, such as drivers; what is copied out is kept no longer than needed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from imgpipe.adapters.iso import Iso, open_iso
from imgpipe.artifacts import Medium
from imgpipe.errors import PluginError, RecipeError
from imgpipe.os_family import MediumCopy
from imgpipe.sizes import MIB, show_bytes

_MOST_BYTES = 512 * MIB
"""Drivers and an agent are a tenth of this; more would be a mistake that fills the disk."""


@contextmanager
def copied_files(copies: tuple[MediumCopy, ...], medium: Medium, folder: Path) -> Iterator[dict[str, Path]]:
    """Yield the copied files by their path on the seed; they are removed with the block.

    Raises RecipeError that names the paths where none of a copy's sources is on its medium.
    """
    media = {"": medium, **{other.name: other for other in medium.further}}
    with tempfile.TemporaryDirectory(dir=folder, prefix="copied-") as place:
        found: dict[str, Path] = {}
        for name in dict.fromkeys(copy.medium for copy in copies):
            if name not in media:
                raise PluginError(f"The seed wants files of a medium '{name}', which its system does not name.")
            with open_iso(media[name].path) as iso:
                for copy in copies:
                    if copy.medium == name:
                        _copy(copy, iso, Path(place), found)
        yield found


def files_of(copy: MediumCopy, medium: Iso) -> dict[str, str]:
    """Return what is copied, by its path on the seed; empty where none of the sources is on the medium."""
    for source in copy.sources:
        if medium.is_file(source):
            return {copy.target: source}
        inside = [path for path in medium.glob(f"{source}/*") if not _left_out(path, copy.leave_out)]
        if inside:
            return {f"{copy.target}/{PurePosixPath(path).name}": path for path in inside}
    return {}


def _copy(copy: MediumCopy, iso: Iso, place: Path, found: dict[str, Path]) -> None:
    files = files_of(copy, iso)
    if not files:
        raise RecipeError(
            f"The medium '{iso.path.name}' has nothing for '{copy.target}'.",
            hint="Use a release of it that carries files for this system.",
            details=[f"looked for: {source}" for source in copy.sources],
        )
    for target, source in files.items():
        file = place / f"{len(found)}"
        iso.extract(source, file)
        found[target] = file
    size = sum(path.stat().st_size for path in found.values())
    if size > _MOST_BYTES:
        raise RecipeError(f"The files for the seed are {show_bytes(size)}, more than {show_bytes(_MOST_BYTES)}.")


def _left_out(path: str, patterns: tuple[str, ...]) -> bool:
    name = PurePosixPath(path).name.lower()
    return any(fnmatchcase(name, pattern.lower()) for pattern in patterns)
