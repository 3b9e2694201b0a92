"""Removing images and what builds left behind: nothing that is needed, nothing that is not known."""

from __future__ import annotations

import errno
import fnmatch
import os
import re
import shutil
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from imgpipe.adapters import temporary
from imgpipe.errors import HostError, RecipeError
from imgpipe.images import catalog
from imgpipe.images.catalog import Image, image_lock, read_catalog
from imgpipe.images.users import InUseBy
from imgpipe.images.walking import entries, folders_in, walk
from imgpipe.own_files import write_new
from imgpipe.store import LockHeld, Store, finished_file, is_held, lock

_WORK_KEY = re.compile(r"(?:import-)?[0-9a-f]{16}")


class Busy(HostError):
    """The name of an image is held: a version of it is being published, removed or pinned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A version that would go, but is needed."""

    image: Image
    users: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prunable:
    """What can go: surplus versions, and folders of work that is over; `kept` are surplus but needed."""

    images: tuple[Image, ...] = ()
    folders: tuple[Path, ...] = ()
    kept: tuple[Kept, ...] = ()

    def names(self, store: Store) -> list[str]:
        """Return what to call each thing: `NAME@VERSION`, or the folder's path in the data root."""
        folders = (str(folder.relative_to(store.root)) for folder in self.folders)
        return [*(image.reference for image in self.images), *folders]

    @property
    def room(self) -> int:
        """How many bytes it takes on disk."""
        return sum(_room(path) for path in (*(image.folder for image in self.images), *self.folders))


def remove(store: Store, image: Image, in_use_by: InUseBy) -> None:
    """Remove one version: it is gone from the catalog at once, then its files are deleted.

    `in_use_by` is called when the name is held, and must look anew. Raises RecipeError that names the machines that
    need it, and Busy if the name is being published.
    """
    with _held(store, image.name):
        users = in_use_by(image.disk)
        if users:
            raise RecipeError(
                f"The image '{image.reference}' is needed by {len(users)} linked clone{'s' * (len(users) > 1)}.",
                hint="Remove or flatten these machines first, or free these disks of it.",
                details=users[:20],
            )
        try:
            _remember(store, image)
            doomed = image.folder.with_name(f"{catalog.REMOVED}{image.version}")
            shutil.rmtree(doomed, ignore_errors=True)
            image.folder.rename(doomed)
            _delete(doomed)
        except OSError as error:
            raise HostError(f"The image '{image.reference}' cannot be removed: {error.strerror or error}.") from error


def prunable(store: Store, in_use_by: InUseBy, *, keep: int, unused_s: float) -> Prunable:
    """Find what can go: all but the `keep` newest versions of each name, what killed builds left, old work.

    A work folder is old if nothing in it changed for `unused_s` seconds. Nothing is touched.
    """
    surplus: list[Image] = []
    kept: list[Kept] = []
    for _, versions in groupby(read_catalog(store).images, key=lambda image: image.name):
        for image in list(versions)[keep:]:
            users = in_use_by(image.disk)
            if users:
                kept.append(Kept(image=image, users=users))
            else:
                surplus.append(image)
    folders = (*_leftovers(store), *(path for path in _old_work(store, unused_s) if not _users(path, in_use_by)))
    return Prunable(images=tuple(surplus), folders=folders, kept=tuple(kept))


def prune(store: Store, found: Prunable, in_use_by: InUseBy) -> Iterator[str]:
    """Remove what `prunable` found and yield the name of each thing when it is gone.

    What came into use since is left alone, without an error; `in_use_by` is called under each thing's lock.
    """
    for image in found.images:
        try:
            remove(store, image, in_use_by)
        except (RecipeError, Busy):
            continue
        yield image.reference
    yield from remove_leftovers(store, found.folders, in_use_by)


def leftovers(store: Store) -> tuple[Path, ...]:
    """Return all that killed builds left: unfinished versions, and unfinished files of installs; nothing is touched."""
    keys = [path for path in folders_in(store.root / "work") if _is_free(store, path)]
    unfinished = (path for key in keys for path in entries(key) if path.name.endswith(".partial"))
    return (*_leftovers(store), *unfinished, *temporary.abandoned())


def room_of(found: Iterable[Path]) -> int:
    """Return how many bytes things take on disk."""
    return sum(_room(path) for path in found)


def leftover_names(store: Store, found: Iterable[Path]) -> list[str]:
    """Return what to call each leftover: its path in the data root, or where it is outside of that."""
    return [str(path.relative_to(store.root)) if path.is_relative_to(store.root) else str(path) for path in found]


def remove_leftovers(store: Store, found: Iterable[Path], in_use_by: InUseBy) -> Iterator[str]:
    """Remove what `leftovers` found, nobody came to work on since and nobody's disk needs; yield each one's name.

    The names are those of `leftover_names`. Raises HostError for what cannot be deleted.
    """
    for path in found:
        if not path.is_relative_to(store.root):
            if temporary.remove_abandoned(path):
                yield str(path)
            continue
        inside = path.parent.parent == store.root / "work"
        with _free(store, path.parent if inside else path) as free:
            gone = free and not _users(path, in_use_by)
            try:
                if gone and inside:
                    path.unlink(missing_ok=True)
                elif gone:
                    _delete(path)
            except OSError as error:
                raise HostError(f"'{path}' cannot be removed: {error.strerror or error}.") from error
        if gone:
            yield str(path.relative_to(store.root))


def _delete(folder: Path) -> None:
    """Delete a folder that may be gone, with all in it; raises OSError.

    rmtree(3) goes down by descriptors, so that a link which is put in a folder's place meanwhile is not followed.
    """
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        if os.path.lexists(folder):
            raise
    except RecursionError:
        raise OSError(errno.ENAMETOOLONG, "Its folders are nested too deeply", os.fspath(folder)) from None


def _users(path: Path, in_use_by: InUseBy) -> tuple[str, ...]:
    """Return who has a disk among the files at `path` or in it below a disk; overlays in `path` itself do not count."""
    files = [
        one
        for one, status in walk(path)
        if stat.S_ISREG(status.st_mode) and (one == path or fnmatch.fnmatch(one.name, "*.qcow2*"))
    ]
    users = (user for file in files for user in in_use_by(file))
    return tuple(user for user in dict.fromkeys(users) if not Path(user).is_relative_to(path))


def _leftovers(store: Store) -> tuple[Path, ...]:
    """Return what killed publishes and removals left; what a living one is writing is not among it."""
    found = [path for folder in folders_in(store.images) for path in catalog.leftovers(store, folder.name)]
    return tuple(path for path in found if _is_free(store, path))


def _old_work(store: Store, unused_s: float) -> tuple[Path, ...]:
    before = time.time() - unused_s
    known = [path for path in folders_in(store.root / "work") if _WORK_KEY.fullmatch(path.name)]
    return tuple(path for path in known if _last_change(path) < before and _is_free(store, path))


def _last_change(folder: Path) -> float:
    return max((status.st_mtime for status in _statuses(folder)), default=time.time())


def _is_free(store: Store, folder: Path) -> bool:
    """Say whether nobody works in `folder` now; no lock is made for the question."""
    return not any(is_held(path) for path in (*_locks(store, folder), *_locks_of_before(store, folder)))


@contextmanager
def _held(store: Store, name: str) -> Iterator[None]:
    """Hold an image's name for the block; raises Busy where somebody else does."""
    with ExitStack() as stack:
        try:
            stack.enter_context(image_lock(store, name, _nobody, wait=False))
        except HostError as error:
            raise Busy(str(error), hint=error.hint, details=error.details) from None
        yield


@contextmanager
def _free(store: Store, folder: Path) -> Iterator[bool]:
    """Say whether nobody works in `folder`; if so, nobody begins to for the block."""
    with ExitStack() as held:
        try:
            for path in _locks(store, folder):
                held.enter_context(lock(path, wait=False))
            free = not any(is_held(path) for path in _locks_of_before(store, folder))
        except LockHeld:
            free = False
        yield free


def _locks(store: Store, folder: Path) -> list[Path]:
    """Return the locks that whoever works in a folder holds: a version's, or an install's."""
    if folder.parent.parent == store.images:
        return [store.lock_file(f"published-{folder.parent.name}")]
    build = store.lock_file(f"install-{folder.name}")
    ours = f"work-{folder.name}-"
    return [build, *(path for path in entries(build.parent) if path.name.startswith(ours) and path.suffix == ".lock")]


def _locks_of_before(store: Store, folder: Path) -> list[Path]:
    """Return where versions before this one, one of which may still be building, have the same locks."""
    if folder.parent.parent == store.images:
        return [store.images / ".locks" / f"{folder.parent.name}.lock"]
    old = (path for path in entries(folder) if path.name == "lock" or path.name.endswith(".lock"))
    return [*old, folder.with_name(f"{folder.name}.lock")]


def _remember(store: Store, image: Image) -> None:
    """Keep the version number, if none is newer, so that it is not given again."""
    taken = catalog.taken_versions(store, image.name)
    if max(taken, key=catalog.version_order) == image.version:
        with finished_file(store.images / image.name / catalog.NEWEST_REMOVED) as partial:
            write_new(partial, image.version)


def _room(folder: Path) -> int:
    return sum(status.st_blocks * 512 for status in _statuses(folder))


def _statuses(folder: Path) -> Iterator[os.stat_result]:
    return (status for _, status in walk(folder))


def _nobody(_holder: str) -> None:
    """Hear of nothing: a lock that is not waited for has nobody to tell."""
