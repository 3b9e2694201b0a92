"""Room on this host's disks, asked before it is needed."""

from __future__ import annotations

import shutil
from pathlib import Path

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
