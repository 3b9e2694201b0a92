"""Digests of media, remembered: a second build does not read ten gigabytes again.

A remembered digest holds while path, size, time of change and inode are the same. The memory is in the cache, and
safe to delete.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from imgpipe.errors import HostError
from imgpipe.json_text import parse_json
from imgpipe.media.checksums import Algorithm
from imgpipe.named_files import open_regular
from imgpipe.own_files import read_own, write_new
from imgpipe.sizes import MIB
from imgpipe.store import Store, finished_file, lock

_CHUNK = 4 * MIB
_MOST_REMEMBERED = 1000

BytesRead = Callable[[int, int | None], None]


def file_digest(path: Path, algorithm: Algorithm, store: Store, progress: BytesRead | None = None) -> str:
    """Return a file's digest, read or remembered; HostError if it cannot be read or changes meanwhile."""
    path = path.absolute()
    try:
        before = _identity(path)
        known = _load(store).get(str(path), {})
        if all(known.get(key) == value for key, value in before.items()) and isinstance(known.get(algorithm), str):
            return str(known[algorithm])
        digest = _read(path, algorithm, before["size"], progress)
        after = _identity(path)
    except OSError as error:
        raise HostError(
            f"The medium '{path}' cannot be read: {error.strerror}.", hint="Check its permissions."
        ) from None
    if after != before:
        raise HostError(
            f"The medium '{path}' changed while it was read.",
            hint="Is it still being copied or downloaded? Wait for it.",
        )
    remember(path, algorithm, digest, store)
    return digest


def remember(path: Path, algorithm: Algorithm, digest: str, store: Store) -> None:
    """Keep the digest of a file as it is now; where nothing can be kept, the file is read again next time."""
    with suppress(HostError, OSError):
        _remember(path.absolute(), algorithm, digest, store)


def _remember(path: Path, algorithm: Algorithm, digest: str, store: Store) -> None:
    identity = _identity(path)
    with lock(store.lock_file("digests")):
        known = {name: entry for name, entry in _load(store).items() if name == str(path) or Path(name).exists()}
        entry = known.pop(str(path), {})
        if any(entry.get(key) != value for key, value in identity.items()):
            entry = {}
        known[str(path)] = {**entry, **identity, algorithm: digest}
        newest = dict(list(known.items())[-_MOST_REMEMBERED:])
        with finished_file(store.cache / "digests.json") as partial:
            write_new(partial, json.dumps(newest, indent=1))


def _identity(path: Path) -> dict[str, int]:
    state = path.stat()
    return {"size": state.st_size, "mtime_ns": state.st_mtime_ns, "inode": state.st_ino}


def _load(store: Store) -> dict[str, dict[str, Any]]:
    try:
        known = parse_json(read_own(store.cache / "digests.json"))
    except (OSError, ValueError):
        return {}
    if not isinstance(known, dict):
        return {}
    return {name: entry for name, entry in known.items() if isinstance(entry, dict)}


def _read(path: Path, algorithm: Algorithm, size: int, progress: BytesRead | None) -> str:
    digest = hashlib.new(algorithm)
    done = 0
    with open_regular(path) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            done += len(chunk)
            if progress:
                progress(done, size)
    return digest.hexdigest()
