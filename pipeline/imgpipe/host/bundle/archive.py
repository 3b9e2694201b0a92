"""The file that a bundle is: gzip-compressed tar, readable by its owner alone, never written over another file."""

from __future__ import annotations

import errno
import io
import os
import tarfile
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from imgpipe.errors import HostError, RecipeError

ENDING = ".tar.gz"


def require_free(path: Path) -> None:
    """Raise RecipeError where a bundle of this name cannot be made."""
    if not path.name.endswith(ENDING) or path.name == ENDING:
        raise RecipeError(f"'{path}' is no name of a bundle.", hint=f"Let it end with '{ENDING}'.")
    if os.path.lexists(path):
        raise _taken(path)
    if not path.parent.is_dir():
        raise RecipeError(f"There is no folder '{path.parent}' for the bundle.", hint="Make it, or name another.")


def write(path: Path, files: Mapping[str, str], seconds: int) -> int:
    """Write `files`, texts by name, in a folder called as the bundle is, and return the size of the archive in bytes.

    It has its name when it is whole, and never takes another file's. The tar names no user; `seconds` is its time.
    Raises RecipeError where the name is taken by now, HostError where it cannot be written.
    """
    data = _packed(path.name.removesuffix(ENDING), files, seconds)
    try:
        # mkstemp makes it 0600, and opens no file that is there.
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            # Unlike a rename a link takes no other file's place.
            os.link(name, path)
        finally:
            with suppress(OSError):
                Path(name).unlink()
    except FileExistsError:
        raise _taken(path) from None
    except OSError as error:
        no_links = error.errno in {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS}
        why = "its file system has no hard links" if no_links else error.strerror
        hint = "Name a file in another folder: 'imgpipe doctor --bundle ~/imgpipe.tar.gz'."
        raise HostError(f"The bundle cannot be written to '{path}': {why}.", hint=hint) from None
    return len(data)


def _packed(folder: str, files: Mapping[str, str], seconds: int) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
        for name, text in files.items():
            data = text.encode("utf-8", "replace")
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size, entry.mode, entry.mtime = len(data), 0o600, seconds
            archive.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


def _taken(path: Path) -> RecipeError:
    return RecipeError(f"'{path}' is there already; a bundle is never written over a file.", hint="Name another.")
