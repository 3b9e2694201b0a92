"""Files that can be shown to be this program's own: each has a second, hidden name until what it belongs to is whole.

The hidden name has a random mark, which is written down before the file is made. As long as it is there, no other file
can have the inode, so a file of the same name that somebody else made is never taken for it.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imgpipe.errors import HostError


def new_mark() -> str:
    """Return a mark that no file has yet."""
    return secrets.token_hex(8)


def hidden(path: Path, mark: str) -> Path:
    """Return the hidden name of a file."""
    return path.with_name(f".{path.name}.{mark}")


@contextmanager
def appearing(path: Path, mark: str) -> Iterator[Path]:
    """Yield the hidden name under which the block makes a file; then it gets its own beside.

    A file that is there already is never replaced. Raises OSError; then neither name is left of what the block made.
    """
    place = hidden(path, mark)
    try:
        yield place
        path.hardlink_to(place)
    except BaseException:
        if is_marked(path, mark):
            path.unlink()
        place.unlink(missing_ok=True)
        raise


def is_marked(path: Path, mark: str) -> bool:
    """Say whether it is the file that was made with this mark."""
    try:
        return bool(mark) and path.samefile(hidden(path, mark))
    except OSError:
        return False


def unmark(path: Path, mark: str) -> None:
    """Remove the hidden name; raises HostError where it is there and cannot be removed."""
    place = hidden(path, mark)
    try:
        if mark and os.path.lexists(place):
            place.unlink(missing_ok=True)
    except OSError as error:
        raise HostError(f"The file '{place}' cannot be deleted: {error.strerror}.") from error
