"""The catalog of golden images: what the folder `images/` holds, read anew each time.

There is no index that could disagree with the disk. A folder that is not a whole, sound version is a fault to be
told of, never an image, and never deleted.
"""

from __future__ import annotations

import difflib
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from imgpipe.adapters.qemu_user import qemu_user
from imgpipe.errors import HostError, RecipeError
from imgpipe.images.walking import folders_in, is_folder
from imgpipe.manifest import Manifest, read
from imgpipe.own_files import read_own
from imgpipe.store import PARTIAL, Store, lock
from imgpipe.trust import trusted_owners, user_name

DISK = "golden.qcow2"
MANIFEST = "manifest.json"
REMOVED = ".removed-"
"""How the name of a version's folder starts while it is being deleted."""
NEWEST_REMOVED = ".newest-removed"
"""A file that keeps the newest version number ever removed, so that none is given twice."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_LONGEST_VERSION = 64
_VERSION = re.compile(r"([0-9]{8})\.([1-9][0-9]{0,8})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One published version of a golden image."""

    name: str
    version: str
    folder: Path
    manifest: Manifest

    @property
    def reference(self) -> str:
        """`NAME@VERSION`, which means this image for ever."""
        return f"{self.name}@{self.version}"

    @property
    def disk(self) -> Path:
        """The image itself, that clones are overlays of."""
        return self.folder / DISK


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """A folder among the images that is none, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """What was found: sound images by name, the newest version of each first, and what is not sound."""

    images: tuple[Image, ...]
    damages: tuple[Damage, ...] = ()


def read_catalog(store: Store, name: str | None = None) -> Catalog:
    """Read all images, or those of one name."""
    images: list[Image] = []
    damages: list[Damage] = []
    for folder in _folders(store.images) if name is None else _folders(store.images, name):
        if not _NAME.fullmatch(folder.name):
            damages.append(Damage(path=folder, reason="its name is not an image's"))
            continue
        for version in sorted(_folders(folder), key=lambda path: version_order(path.name), reverse=True):
            found = _image(folder.name, version)
            if isinstance(found, Image):
                images.append(found)
            else:
                damages.append(found)
    return Catalog(images=tuple(images), damages=tuple(damages))


def newest(store: Store, name: str) -> Image | None:
    """Return the newest version of an image, if its folder is sound; older ones do not stand in for it."""
    folder = store.images / name
    versions = [path for path in _folders(folder) if _VERSION.fullmatch(path.name)]
    if not versions:
        return None
    found = _image(name, max(versions, key=lambda path: version_order(path.name)))
    return found if isinstance(found, Image) else None


def find(store: Store, reference: str) -> Image:
    """Return the image that `NAME` (its newest sound version) or `NAME@VERSION` means.

    Raises RecipeError that lists names near to it, or the versions there are.
    """
    name, _, version = reference.partition("@")
    catalog = read_catalog(store, name) if _NAME.fullmatch(name) else Catalog(images=())
    for image in catalog.images:
        if version in ("", image.version):
            return image
    for damage in catalog.damages:
        if version in ("", damage.path.name):
            raise HostError(
                f"The image '{reference}' is damaged: {damage.reason}.", hint="Mend what is named, or build it again."
            )
    if not catalog.images:
        raise _unknown_name(store, name)
    raise RecipeError(
        f"The image '{name}' has no version '{version}'.",
        hint="Its versions, newest first, are listed above.",
        details=[image.reference for image in catalog.images[:20]],
    )


def names(store: Store) -> tuple[str, ...]:
    """Return the names of all images, for completion: fast, so only folders are looked at."""
    found = (folder.name for folder in _folders(store.images) if _NAME.fullmatch(folder.name))
    return tuple(name for name in found if versions(store, name))


def versions(store: Store, name: str) -> tuple[str, ...]:
    """Return the versions of an image, newest first, sound or not: fast, for completion."""
    found = [path.name for path in _folders(store.images / name) if _VERSION.fullmatch(path.name)]
    return tuple(sorted(found, key=version_order, reverse=True))


def taken_versions(store: Store, name: str) -> tuple[str, ...]:
    """Return every version number that cannot be given again, removed ones included.

    Raises HostError where it is not known which were removed.
    """
    kept = store.images / name / NEWEST_REMOVED
    try:
        removed = read_own(kept, _LONGEST_VERSION).decode("ascii", "replace").strip()
    except FileNotFoundError:
        return versions(store, name)
    except OSError as error:
        raise _damaged_memory(kept, error.strerror or "") from None
    if not _VERSION.fullmatch(removed):
        raise _damaged_memory(kept, "It holds no version")
    return (*versions(store, name), removed)


def version_order(version: str) -> tuple[int, int]:
    """Return what versions are sorted by: the date, then the serial as a number."""
    match = _VERSION.fullmatch(version)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def image_lock(
    store: Store, name: str, waiting: Callable[[str], None], *, wait: bool = True
) -> AbstractContextManager[None]:
    """Hold the name of an image: nobody else publishes, removes or pins a version of it meanwhile."""
    return lock(store.lock_file(f"published-{name}"), waiting, wait=wait)


def leftovers(store: Store, name: str) -> tuple[Path, ...]:
    """Return what killed publishes and removals of an image left behind; certain only under its lock."""
    return tuple(path for path in folders_in(store.images / name) if path.name.startswith((PARTIAL, REMOVED)))


def _image(name: str, folder: Path) -> Image | Damage:
    if not _VERSION.fullmatch(folder.name):
        return Damage(path=folder, reason="its name is not a version's")
    try:
        manifest = read(folder / MANIFEST)
    except HostError as error:
        return Damage(path=folder, reason=str(error))
    if (manifest.name, manifest.version) != (name, folder.name):
        return Damage(path=folder, reason=f"its manifest is of '{manifest.name}@{manifest.version}'")
    if reason := _disk_fault(folder):
        return Damage(path=folder, reason=reason)
    return Image(name=name, version=folder.name, folder=folder, manifest=manifest)


def _disk_fault(folder: Path) -> str:
    """Return why the disk of a version must not be used, as a clause; empty where nothing speaks against it.

    Clones read it for as long as they live, so nobody but those whose files are believed may own or change it, as in
    `trust`; libvirt gives it to QEMU's own user while a machine runs. A link would lead to a file that can change.
    """
    disk = folder / DISK
    try:
        for path in (folder, disk):
            status = path.lstat()
            if path == disk and not stat.S_ISREG(status.st_mode):
                is_link = stat.S_ISLNK(status.st_mode)
                return f"its '{DISK}' is {'a symbolic link' if is_link else 'no plain file'}"
            if status.st_uid not in trusted_owners() and not (path == disk and _is_qemus(status.st_uid)):
                return f"'{path.name}' belongs to {user_name(status.st_uid)}"
            if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                mode = stat.S_IMODE(status.st_mode)
                return f"others may write to '{path.name}' (mode {mode:04o}; 'chmod go-w' mends it)"
    except FileNotFoundError:
        return f"it has no '{DISK}'"
    except OSError as error:
        return f"its '{DISK}' cannot be looked at: {error.strerror}"
    return ""


def _is_qemus(uid: int) -> bool:
    user = qemu_user()
    return user is not None and user.pw_uid == uid


def _folders(folder: Path, name: str | None = None) -> Iterator[Path]:
    """Yield the folders in `folder` by name, without hidden ones and symbolic links."""
    found = folders_in(folder) if name is None else [path for path in [folder / name] if is_folder(path)]
    yield from (path for path in found if not path.name.startswith("."))


def _damaged_memory(kept: Path, reason: str) -> HostError:
    return HostError(
        f"The newest version that was removed cannot be read from '{kept}': {reason}.",
        hint="Write the newest number that was ever given into it, such as '20260301.1', so that none is given twice.",
    )


def _unknown_name(store: Store, name: str) -> RecipeError:
    known = names(store)
    if not known:
        return RecipeError(
            f"There is no image '{name}': nothing was published yet.",
            hint="'imgpipe recipes list' shows what can be built.",
        )
    near = difflib.get_close_matches(name, known, n=5, cutoff=0.5)
    hint = f"Did you mean '{near[0]}'?" if near else "'imgpipe images list' shows all."
    return RecipeError(f"There is no image '{name}'.", hint=hint, details=near or known[:20])
