"""O_DIRECT, which cache mode 'none' needs and some file systems refuse."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from imgpipe.adapters.pool_folder import there


def has_direct_io(folder: Path) -> bool | None:
    """Try it with a file of our own; None where none can be made, as in a full file system.

    A folder that is not there yet is judged by the nearest one above it. The file has no name where the file system
    can do that: a plan asks too, and changes nothing.
    """
    try:
        descriptor = _nameless(there(folder))
    except OSError:
        return None
    try:
        os.close(os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_DIRECT))
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def _nameless(folder: Path) -> int:
    """Open a new file that goes with its descriptor; some network file systems have none but by a name."""
    try:
        return os.open(folder, os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, 0o600)
    except OSError:
        descriptor, name = tempfile.mkstemp(prefix=".imgpipe-", dir=folder)
        Path(name).unlink()
        return descriptor
