"""A pool that is a folder of this host: its files are made directly."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

import libvirt

from imgpipe.adapters import held_disk, image_locks, qemu_img
from imgpipe.adapters.image_headers import backing_of
from imgpipe.adapters.marks import appearing, hidden, is_marked, unmark
from imgpipe.adapters.pool import Base, Moved, unheard
from imgpipe.adapters.sparse_copy import copy_sparse, new_file
from imgpipe.adapters.temporary import temporary_folder
from imgpipe.disk_source import CheckedDisk, held
from imgpipe.errors import HostError

_BLOCK = 65_536
_LOCK_PATIENCE_S = 5.0


@dataclass(frozen=True, slots=True)
class _Overlay:
    """An empty overlay: what is not zero in it, by place, and its length. Nothing in it names the overlay itself."""

    parts: tuple[tuple[int, bytes], ...]
    length: int


def there(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that is there."""
    return next(path for path in (folder, *folder.parents) if path.is_dir())


class FolderPool:
    """A pool in a folder that this process may write; one that libvirt does not have yet can only be looked at."""

    local = True

    def __init__(self, name: str, path: Path, pool: libvirt.virStoragePool | None) -> None:
        self.name = name
        self.path = path
        self._pool = pool
        self._overlays: dict[tuple[Path, int], _Overlay] = {}
        self._making = threading.Lock()

    def names(self) -> frozenset[str]:
        """Return the names of all files."""
        try:
            return frozenset(os.listdir(self.path))  # noqa: PTH208 (names are all that is asked for)
        except FileNotFoundError:
            return frozenset()

    def free(self) -> int:
        """Return how many bytes this user may still write."""
        return shutil.disk_usage(there(self.path)).free

    def file(self, name: str) -> Path:
        """Return the path of a volume."""
        return self.path / name

    def base(
        self,
        source: Path,
        volume: str,  # noqa: ARG002
        sha256: str,  # noqa: ARG002
        moved: Moved = unheard,  # noqa: ARG002
        foreign: CheckedDisk | None = None,
    ) -> Base:
        """Return the image itself: nothing is copied."""
        if foreign:
            # An overlay asks the names in its headers when it is used; they must still be those that were checked.
            with held(foreign.layers):
                size = foreign.virtual_size
            return Base(path=foreign.path, format=foreign.format, virtual_size=size, foreign=foreign)
        return Base(path=source.resolve(), format="qcow2", virtual_size=qemu_img.info(source).virtual_size)

    def overlay(self, name: str, base: Base, size: int, mark: str = "") -> None:
        """Make an overlay: qemu-img makes the first of a kind, the others are copies of its 192 KiB."""
        with self._making:
            key = (base.path, size)
            overlay = self._overlays.get(key) or self._overlays.setdefault(key, _new_overlay(base, size))
        try:
            with self._made(name, mark) as path, new_file(path) as descriptor, _whole_or_gone(path):
                os.ftruncate(descriptor, overlay.length)
                for place, data in overlay.parts:
                    os.pwrite(descriptor, data, place)
        except OSError as error:
            raise _cannot("made", self.file(name), error, self.name) from error

    def copy(self, name: str, base: Base, size: int, moved: Moved = unheard, mark: str = "") -> None:
        """Copy the file where it is a whole qcow2, so that the copy is no larger; else let qemu-img convert it."""
        try:
            with self._made(name, mark) as path:
                _copy(base, path, moved)
                if size > base.virtual_size:
                    with _whole_or_gone(path):
                        qemu_img.resize(path, size)
        except OSError as error:
            raise _cannot("made", self.file(name), error, self.name) from error

    def write_small(self, name: str, data: bytes, mark: str = "") -> None:
        """Write a file beside, then give it its name: a machine that has the old one open keeps that."""
        path = self.file(name)
        if mark:
            try:
                with self._made(name, mark) as place, new_file(place) as descriptor:
                    _write(descriptor, data)
            except OSError as error:
                raise _cannot("written", path, error, self.name) from error
            return
        partial = path.with_name(f".{name}.partial")
        try:
            partial.unlink(missing_ok=True)
            with new_file(partial) as descriptor:
                _write(descriptor, data)
            partial.replace(path)
        except OSError as error:
            raise _cannot("written", path, error) from error
        finally:
            # Also where Ctrl-C ended it: what was to be written may be secret.
            partial.unlink(missing_ok=True)

    def proof(self, name: str) -> str:
        """Return inode, length and time of the last write."""
        try:
            found = self.file(name).lstat()
        except OSError:
            return ""
        return f"inode {found.st_ino}, {found.st_size} bytes, written {found.st_mtime_ns}"

    def is_own(self, name: str, mark: str, proof: str) -> bool:
        """Compare the file with the one that has the hidden name, or with its proof."""
        return is_marked(self.file(name), mark) or (bool(proof) and self.proof(name) == proof)

    def hidden(self, name: str, mark: str) -> tuple[str, ...]:
        """Return the hidden name."""
        return (hidden(self.file(name), mark).name,) if mark else ()

    def unmark(self, mark: str, *names: str) -> None:
        """Remove the hidden names."""
        for name in names:
            unmark(self.file(name), mark)

    def grow(self, name: str, size: int) -> None:
        """Make a virtual disk larger."""
        qemu_img.resize(self.file(name), size)

    def delete(self, *names: str) -> None:
        """Delete files, and what an interrupted write left of them."""
        for name in names:
            for path in (self.file(name), self.file(f".{name}.partial")):
                try:
                    path.unlink(missing_ok=True)
                except OSError as error:
                    raise _cannot("deleted", path, error) from error

    def require_unused(self, *names: str) -> None:
        """Ask for the locks of QEMU, which one that has just ended keeps for a moment."""
        for path in map(self.file, names):
            if image_locks.stays_held(path, _LOCK_PATIENCE_S):
                who, advice = image_locks.whose(path)
                raise HostError(f"The volume '{path}' is in use {who}; it was not deleted.", hint=advice)

    def backing(self, name: str) -> Path | None:
        """Read an overlay's header."""
        try:
            path = self.file(name)
            return backing_of(path) if path.is_file() else None
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _cannot("read", self.file(name), error) from error

    def flatten(self, name: str, moved: Moved = unheard) -> bool:
        """Merge the backing files into an overlay, in place; QEMU's own lock keeps machines away from it."""
        path = self.file(name)
        if backing_of(path) is not None:
            qemu_img.make_independent(path, moved=moved)
        return True

    def refresh(self) -> None:
        """Let libvirt list the folder anew; what it knows of a pool decides nothing here."""
        try:
            if self._pool:
                self._pool.refresh(0)
        except libvirt.libvirtError:
            return

    def _made(self, name: str, mark: str) -> AbstractContextManager[Path]:
        """Return the name under which a file is made, to have its own when it is whole."""
        return appearing(self.file(name), mark) if mark else nullcontext(self.file(name))


@contextmanager
def _whole_or_gone(path: Path) -> Iterator[None]:
    """Remove the file, which is this process's own, if the block fails: what is there afterwards is whole."""
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _new_overlay(base: Base, size: int) -> _Overlay:
    with temporary_folder() as folder:
        path = folder / "overlay.qcow2"
        qemu_img.create_overlay(path, base.path, backing_format=base.format, size=size)
        data = path.read_bytes()
    blocks = ((place, data[place : place + _BLOCK]) for place in range(0, len(data), _BLOCK))
    return _Overlay(tuple((place, block.rstrip(b"\0")) for place, block in blocks if any(block)), len(data))


def _write(descriptor: int, data: bytes) -> None:
    with open(descriptor, "wb", closefd=False) as file:
        file.write(data)


def _copy(base: Base, path: Path, moved: Moved) -> None:
    if base.foreign:
        _copy_foreign(base.foreign, path, moved)
    elif base.format == "qcow2" and backing_of(base.path) is None:
        copy_sparse(base.path, path, moved)
    else:
        with new_file(path), _whole_or_gone(path):
            qemu_img.adopt(base.path, base.format, path)


def _copy_foreign(disk: CheckedDisk, path: Path, moved: Moved) -> None:
    """Copy a foreign disk from the files and headers that were checked; nothing is left where files changed since."""
    with new_file(path):
        pass
    try:
        with held(disk.layers) as files:
            if disk.format == "qcow2" and len(disk.layers) == 1:
                path.unlink()
                copy_sparse(files.files[0], path, moved, head=disk.layers[0].head)
            else:
                held_disk.adopt(files, path)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _cannot(done: str, path: Path, error: OSError, pool: str = "") -> HostError:
    """Return the error; for a file that is in the way of a new volume of `pool`, with what deletes it."""
    volume = f"{quote(pool)}/{quote(path.name)}"
    taken = f"If nobody needs that file, 'imgpipe machines destroy --leftover {volume}' deletes it."
    hint = taken if pool and isinstance(error, FileExistsError) else ""
    return HostError(f"The volume '{path}' cannot be {done}: {error.strerror}.", hint=hint)
