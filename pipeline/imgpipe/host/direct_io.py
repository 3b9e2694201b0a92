"""O_DIRECT, which cache mode 'none' needs and some file systems refuse."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from imgpipe.adapters.pool_folder import there


def has_direct_io(folder: Path) -> bool | None:
    """Try it with a file of our own; None where none can be made, as in a full file system.

    A folder that is not there yet is judged by the nearest one above it.
    """
    try:
        descriptor, name = tempfile.mkstemp(prefix=".imgpipe-", dir=there(folder))
    except OSError:
        return None
    os.close(descriptor)
    try:
        os.close(os.open(name, os.O_RDONLY | os.O_DIRECT))
    except OSError:
        return False
    finally:
        Path(name).unlink()
    return True
