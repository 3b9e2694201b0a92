"""ISO 9660 media with Rock Ridge, Joliet or UDF names, read with pycdlib.

What is read comes from outside: how much is read, and how large it may be, is bounded, and a medium whose tables
are damaged is a RecipeError, never a traceback.
"""

from __future__ import annotations

import fnmatch
import hashlib
import io
import os
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

import pycdlib
from pycdlib.dr import DirectoryRecord
from pycdlib.pycdlibexception import PyCdlibException

from imgpipe.adapters.iso_signature import check_signature, incomplete
from imgpipe.errors import HostError, RecipeError
from imgpipe.named_files import open_regular
from imgpipe.sizes import KIB, MIB, show_bytes

SMALL_FILE = MIB
SMALL_PART = 16 * MIB
# A DVD of 12,000 packages has 3 MiB of tables.
_TABLES = 64 * MIB
# A folder of 20,000 packages has 5 MiB.
_ONE_TABLE = 8 * MIB
# pycdlib needs some 5 s, and 25 MiB of memory, for each MiB of records.
_PATIENCE_S = 120.0
_SECTOR = 2048
_CHUNK = MIB
# Tools pad images with up to 150 sectors, which some copies lack.
_PADDING = 300 * KIB
_MOST_NAMES = 200_000

# What pycdlib raises on tables that make no sense, besides its own exceptions.
_DAMAGED = (PyCdlibException, struct.error, ValueError, LookupError, AttributeError, OverflowError, TypeError)

BytesRead = Callable[[int, int], None]
"""Told how many bytes of how many were copied."""


class _Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...


@dataclass(frozen=True, slots=True)
class _Entry:
    """A name in a folder, and the path by which pycdlib knows it."""

    native: str
    is_folder: bool


class Iso:
    """An open medium; paths are relative to its root and use '/'.

    Names come from Rock Ridge if the medium has it, else from UDF, Joliet or plain ISO 9660, in this order. Where
    no name fits exactly, one that differs in case alone does: only Rock Ridge keeps case for certain.
    """

    def __init__(self, path: Path, reader: pycdlib.PyCdlib) -> None:
        self.path = path
        self._reader = reader
        self._names = _name_space(reader)
        self._folders: dict[str, dict[str, _Entry]] = {}

    @property
    def volume_id(self) -> str:
        """The volume id of the primary descriptor, without its padding (ECMA-119, 8.4.7)."""
        raw: bytes = self._reader.pvd.volume_identifier
        return raw.decode("utf-8", "replace").strip(" \0")

    def is_file(self, path: str) -> bool:
        """Say whether the medium has a file of this name."""
        entry = self._find(path)
        return entry is not None and not entry.is_folder

    def read(self, path: str, limit: int = SMALL_FILE) -> bytes | None:
        """Return a small file's content, None if it is not there; RecipeError if it is larger than `limit` bytes."""
        if not self.is_file(path):
            return None
        with self._open(path) as (file, length):
            if length > limit:
                raise RecipeError(
                    f"The file '{path}' of the medium '{self.path.name}' is larger than {show_bytes(limit)}.",
                    hint="The medium is damaged, or not an installation medium.",
                )
            return self._whole(bytes(file.read(length) or b""), length)

    def read_part(self, path: str, offset: int, length: int) -> bytes:
        """Return up to `length` bytes of a file from `offset`; RecipeError if there is no such file."""
        with self._open(path) as (file, whole), _readable(self.path):
            if not 0 <= offset <= whole or length > SMALL_PART:
                return b""
            file.seek(offset)
            wanted = min(length, whole - offset)
            return self._whole(bytes(file.read(wanted) or b""), wanted)

    def _whole(self, data: bytes, length: int) -> bytes:
        """Return what was read; raises RecipeError where the medium's file ended before."""
        if len(data) != length:
            raise incomplete(self.path)
        return data

    def glob(self, pattern: str) -> tuple[str, ...]:
        """Return the files whose path matches, in order; `*` and `?` stay within a folder's name."""
        found = [("", "")]
        parts = PurePosixPath(pattern.strip("/")).parts
        for depth, part in enumerate(parts, 1):
            found = [
                (f"{path}/{name}".lstrip("/"), entry.native)
                for path, native in found
                for name, entry in self._list(native).items()
                if entry.is_folder == (depth < len(parts)) and _matches(name, part)
            ]
        return tuple(sorted(path for path, _ in found)) if parts else ()

    def extract(self, path: str, target: Path, progress: BytesRead | None = None) -> str:
        """Copy a file out to `target` (0600) in constant memory and return its sha256."""
        digest = hashlib.sha256()
        target.unlink(missing_ok=True)
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with self._open(path) as (source, length), os.fdopen(descriptor, "wb") as file:
            for done in _copy(source, file, digest):
                if progress:
                    progress(done, length)
            if file.tell() != length:
                raise incomplete(self.path)
        return digest.hexdigest()

    def _find(self, path: str) -> _Entry | None:
        entry = _Entry("", is_folder=True)
        for part in PurePosixPath(path.strip("/")).parts:
            if not entry.is_folder:
                return None
            names = self._list(entry.native)
            match = names.get(part) or next((names[name] for name in names if name.lower() == part.lower()), None)
            if match is None:
                return None
            entry = match
        return entry

    def _list(self, native: str) -> dict[str, _Entry]:
        if native not in self._folders:
            with _readable(self.path):
                self._folders[native] = dict(self._children(native))
        return self._folders[native]

    def _children(self, native: str) -> Iterator[tuple[str, _Entry]]:
        for count, record in enumerate(self._reader.list_children(**{self._names: native or "/"})):
            if count > _MOST_NAMES:
                raise ValueError("too many names in a folder")
            if record is None or record.is_dot() or record.is_dotdot():
                continue
            is_link = self._names == "rr_path" and record.rock_ridge is not None and record.rock_ridge.is_symlink()
            own = _native_name(record, self._names)
            if not is_link and own and "/" not in own:
                yield _plain_name(own, self._names), _Entry(f"{native}/{own}", is_folder=bool(record.is_dir()))

    @contextmanager
    def _open(self, path: str) -> Iterator[tuple[io.RawIOBase, int]]:
        """Yield a file's content as a stream, and its length; RecipeError if there is no such file."""
        entry = self._find(path)
        if entry is None or entry.is_folder:
            raise RecipeError(f"The medium '{self.path.name}' has no file '{path}'.")
        with _readable(self.path), self._reader.open_file_from_iso(**{self._names: entry.native}) as stream:
            length = int(stream.length())
            # pycdlib makes a length negative that would begin behind the end.
            if not 0 <= length <= self.path.stat().st_size:
                raise incomplete(self.path)
            yield stream, length


@contextmanager
def open_iso(path: Path) -> Iterator[Iso]:
    """Open a medium for reading; RecipeError if it is not one, damaged or cut off, HostError if it cannot be read."""
    try:
        file = open_regular(path)
    except OSError as error:
        raise HostError(
            f"The medium '{path}' cannot be read: {error.strerror}.", hint="Check that it exists and its permissions."
        ) from None
    reader = pycdlib.PyCdlib()
    with file:
        check_signature(file, path)
        bounded = _BoundedFile(file, path)
        with _readable(path):
            reader.open_fp(bounded)
        bounded.lift_budget()
        try:
            if reader.pvd.space_size * _SECTOR > path.stat().st_size + _PADDING:
                raise incomplete(path)
            yield Iso(path, reader)
        finally:
            reader.close()


class _BoundedFile(io.RawIOBase):
    """A medium's file that refuses reads whose size a hostile medium could choose.

    While the budget stands, everything read counts, and the time that pycdlib needs for it: it keeps the tables of a
    medium in memory.
    """

    def __init__(self, file: BinaryIO, path: Path) -> None:
        super().__init__()
        self._file = file
        self._path = path
        self._budget: int | None = _TABLES
        self._began_s = time.thread_time()

    def lift_budget(self) -> None:
        self._budget = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        limit = _TABLES if self._budget is None else min(self._budget, _ONE_TABLE)
        if size is None or size < 0 or size > limit or self._is_late():
            raise RecipeError(
                f"The tables of the medium '{self._path.name}' are larger than any installation medium's.",
                hint="The file is damaged; compare its checksum with the publisher's.",
            )
        data = self._file.read(size)
        if self._budget is not None:
            self._budget -= len(data)
        return data

    def _is_late(self) -> bool:
        """Say whether the tables took too long; the time that other programs had does not count."""
        return self._budget is not None and time.thread_time() - self._began_s > _PATIENCE_S

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def _name_space(reader: pycdlib.PyCdlib) -> str:
    if reader.has_rock_ridge():
        return "rr_path"
    if reader.has_udf():
        return "udf_path"
    return "joliet_path" if reader.has_joliet() else "iso_path"


def _native_name(record: DirectoryRecord, names: str) -> str:
    if names == "rr_path":
        raw = record.rock_ridge.name() if record.rock_ridge is not None else b""
        return bytes(raw).decode("utf-8", "surrogateescape")
    raw = bytes(record.file_identifier())
    if names == "udf_path":
        return raw.decode(record.file_ident.encoding)
    return raw.decode("utf-16_be" if names == "joliet_path" else "utf-8")


def _plain_name(native: str, names: str) -> str:
    """Return a name without its version, and without the dot that ECMA-119 puts after a name that has none."""
    if names in {"iso_path", "joliet_path"}:
        native = native.partition(";")[0]
    return native.rstrip(".") if names == "iso_path" else native


def _matches(name: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(name.lower(), pattern.lower())


def _copy(source: io.RawIOBase, target: io.BufferedWriter, digest: _Digest) -> Iterator[int]:
    done = 0
    while chunk := source.read(_CHUNK):
        target.write(chunk)
        digest.update(chunk)
        done += len(chunk)
        yield done


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGED as error:
        # What is not pycdlib's own word, such as a KeyError's number, says nothing to anybody.
        reason = str(error).rstrip(".!") if isinstance(error, PyCdlibException) else "its tables contradict each other"
        raise RecipeError(
            f"The medium '{path.name}' cannot be read: {reason}.",
            hint="It is damaged, or in a form that imgpipe cannot read; compare its checksum with the publisher's.",
        ) from error
