"""Room on this host's disks, asked before it is needed."""

from __future__ import annotations

import shutil
from pathlib import Path

from imgpipe.disk_source import CheckedDisk
from imgpipe.errors import HostError
from imgpipe.sizes import GIB, show_bytes

LEAST_INSTALL = 3 * GIB
"""What an installation takes at least, in bytes; one to a smaller disk takes no more than that."""
LEAST_VERIFY = GIB
"""What a throwaway boot may write."""


def require_space(folder: Path, needed: int) -> None:
    """Raise HostError unless the file system of `folder` has `needed` bytes free."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise HostError(
            f"Only {show_bytes(free)} are free in '{folder}', and at least {show_bytes(needed)} are needed.",
            hint="Make room there, or put imgpipe's data elsewhere with IMGPIPE_HOME.",
        )


def allocated(disk: CheckedDisk) -> int:
    """Return the most bytes that a copy takes: what all files of the chain use; what an overlay hides counts twice.

    Raises HostError where a file of it is gone or cannot be looked at.
    """
    used = 0
    for layer in disk.layers:
        try:
            used += layer.path.stat().st_blocks * 512
        except OSError as error:
            raise HostError(f"The disk '{layer.path}' cannot be read: {error.strerror}.") from error
    return used
