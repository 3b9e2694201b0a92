"""What media are here and what each is, as values to show as rows or as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from imgpipe.errors import ImgpipeError
from imgpipe.events import Listener
from imgpipe.media.digests import file_digest
from imgpipe.media.find import media_folders, media_in
from imgpipe.media.identify import MediumFacts, identify, mismatches
from imgpipe.media.progress import reporter
from imgpipe.media.verify import expectations, verify
from imgpipe.os_family import System
from imgpipe.recipe import MediumSource
from imgpipe.sizes import show_bytes
from imgpipe.store import Store

COLUMNS = ("medium", "is", "arch", "size", "for")


@dataclass(frozen=True, slots=True, kw_only=True)
class MediumRow:
    """One ISO file: what it says it is, and the systems that take it; `trouble` says why it could not be read.

    `answers` is the kind of answer file that a stand-in reads.
    """

    path: Path
    size: int
    title: str = ""
    family: str = ""
    version: str = ""
    arch: str = ""
    volume_id: str = ""
    systems: tuple[str, ...] = ()
    stand_in: bool = False
    answers: str = ""
    trouble: str = ""
    sha256: str = ""
    verified: bool = False

    def cells(self) -> tuple[str, ...]:
        """Return the row's text in the order of COLUMNS."""
        fits = ", ".join(self.systems) or (f"any {self.answers} system (--media stand-in)" if self.stand_in else "-")
        return (str(self.path), self.trouble or self.title, self.arch or "-", show_bytes(self.size), fits)

    def as_json(self) -> dict[str, Any]:
        """Return the row as JSON values."""
        return {**asdict(self), "path": str(self.path), "systems": list(self.systems)}


def list_media(own_folders: tuple[Path, ...], store: Store, systems: Iterable[System]) -> tuple[MediumRow, ...]:
    """Return every ISO file of the media folders; one that cannot be read is a row that says so."""
    known = tuple(systems)
    paths = dict.fromkeys(path for folder in media_folders(own_folders, store) for path in media_in(folder))
    return tuple(_row(path, known) for path in paths)


def check_medium(
    path: Path, source: MediumSource, store: Store, systems: Iterable[System], notify: Listener
) -> MediumRow:
    """Read a medium whole: what it is, its sha256, and whether it has the digest that `source` gives, if any.

    Raises RecipeError if it is no medium or has another digest.
    """
    expected = expectations(source, path.name)
    verify(path, expected, store, notify)
    sha256 = file_digest(path, "sha256", store, reporter(notify, f"reading {path.name}"))
    return _described(path, identify(path), tuple(systems), sha256=sha256, verified=bool(expected))


def _row(path: Path, systems: tuple[System, ...]) -> MediumRow:
    try:
        return _described(path, identify(path), systems)
    except ImgpipeError as error:
        return MediumRow(path=path, size=_size(path), trouble=str(error))


def _described(
    path: Path, facts: MediumFacts, systems: tuple[System, ...], sha256: str = "", *, verified: bool = False
) -> MediumRow:
    return MediumRow(
        path=path,
        size=_size(path),
        title=facts.title,
        family=facts.family,
        version=facts.version,
        arch=facts.arch,
        volume_id=facts.volume_id,
        systems=tuple(system.name for system in systems if not mismatches(facts, system)),
        stand_in=facts.stand_in_for is not None,
        answers=facts.stand_in_for or "",
        sha256=sha256,
        verified=verified,
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
