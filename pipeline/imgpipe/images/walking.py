"""What lies below a folder: all of it, or a sentence why that is not known."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from imgpipe.errors import HostError

Found = tuple[Path, os.stat_result]


def walk(top: Path) -> Iterator[Found]:
    """Yield `top` and everything below it with what lstat(2) says of each; links are not followed.

    What is gone, or goes meanwhile, is passed over: a living build takes things away. Raises HostError for a folder
    that cannot be looked through, because what is in it is not known then.
    """
    waiting = [top]
    while waiting:
        path = waiting.pop()
        try:
            status = path.lstat()
            inside = sorted(path.iterdir(), reverse=True) if stat.S_ISDIR(status.st_mode) else []
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise _unknown(path, error) from None
        yield path, status
        waiting += inside


def folders_in(top: Path) -> tuple[Path, ...]:
    """Return the folders in a folder, in order, without links; none where it is missing. Raises HostError as `walk`."""
    return tuple(path for path in entries(top) if is_folder(path))


def is_folder(path: Path) -> bool:
    """Say whether a folder is there, and not a link to one. Raises HostError as `walk`."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise _unknown(path, error) from None


def entries(top: Path) -> tuple[Path, ...]:
    """Return what is in a folder, in order; nothing where it is missing. Raises HostError as `walk`."""
    try:
        return tuple(sorted(top.iterdir()))
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except OSError as error:
        raise _unknown(top, error) from None


def _unknown(path: Path, error: OSError) -> HostError:
    return HostError(
        f"'{path}' cannot be looked through: {error.strerror or error}.",
        hint="Run the command as a user who may read it, and see that its disk is sound.",
    )
