"""What media are here and what each is, as values to show as rows or as JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from imgpipe.adapters.iso import Iso, open_iso
from imgpipe.errors import ImgpipeError, RecipeError
from imgpipe.events import Listener
from imgpipe.media.digests import file_digest
from imgpipe.media.find import fits, media_folders, media_in, named
from imgpipe.media.identify import MediumFacts, mismatches, read_facts
from imgpipe.media.progress import reporter
from imgpipe.media.verify import expectations, verify
from imgpipe.os_family import Described, MediumIdentity, OsFamily
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


def list_media(
    own_folders: tuple[Path, ...],
    store: Store,
    families: Iterable[OsFamily],
    begin: Callable[[int], None] = lambda _: None,
) -> tuple[MediumRow, ...]:
    """Return every ISO file of the folders in which builds look, in their order; one that cannot be read says so.

    `begin` is told how many there are: a DVD's tables take seconds each.
    """
    known = tuple(families)
    paths = dict.fromkeys(path for folder in media_folders(own_folders, store) for path in media_in(folder))
    begin(len(paths))
    return tuple(_row(path, known) for path in paths)


def find_file(name: str, own_folders: tuple[Path, ...], store: Store) -> Path:
    """Return the file that a path, or a name in the folders in which builds look, means; raises RecipeError."""
    found = named(name, media_folders(own_folders, store), "the command line")
    if found.path is None:
        raise RecipeError("Only a medium that is here can be checked.", hint="Download it first, and name its file.")
    return found.path


def check_medium(
    path: Path, source: MediumSource, store: Store, families: Iterable[OsFamily], notify: Listener
) -> MediumRow:
    """Read a medium whole: what it is, its sha256, and whether it has the digest that `source` gives, if any.

    Raises RecipeError if it is no medium or has another digest.
    """
    expected = expectations(source, path.name)
    verify(path, expected, store, notify)
    sha256 = file_digest(path, "sha256", store, reporter(notify, f"reading {path.name}"))
    return replace(_look(path, tuple(families)), sha256=sha256, verified=bool(expected))


def _row(path: Path, families: tuple[OsFamily, ...]) -> MediumRow:
    try:
        return _look(path, families)
    except ImgpipeError as error:
        return MediumRow(path=path, size=_size(path), trouble=str(error))


def _look(path: Path, families: tuple[OsFamily, ...]) -> MediumRow:
    """Read what a medium says of itself, and what the plugins find it to be."""
    with open_iso(path) as medium:
        facts = read_facts(medium)
        # A stand-in says itself what it is.
        found = {} if facts.stand_in_for else dict(_descriptions(medium, families))
    return MediumRow(
        path=path,
        size=_size(path),
        title=next((described.title for described in found.values()), facts.title),
        family=facts.family,
        version=facts.version,
        arch=facts.arch,
        volume_id=facts.volume_id,
        systems=tuple(_takers(path, facts, found, families)),
        stand_in=facts.stand_in_for is not None,
        answers=facts.stand_in_for or "",
    )


def _descriptions(medium: Iso, families: tuple[OsFamily, ...]) -> Iterator[tuple[str, Described]]:
    """Yield what plugins found the medium to be, by the family's name."""
    for family in families:
        if family.describe and (described := family.describe(medium)):
            yield family.name, described


def _takers(
    path: Path, facts: MediumFacts, found: Mapping[str, Described], families: tuple[OsFamily, ...]
) -> Iterator[str]:
    """Yield the systems that take a medium; where a system has no identity the file's name decides, as in builds."""
    for family in families:
        for system in family.systems:
            if found and (family.name not in found or system.name not in found[family.name].systems):
                continue
            if system.identity == MediumIdentity() and not any(fits(path, pattern) for pattern in system.media):
                continue
            if not mismatches(facts, system):
                yield system.name


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
