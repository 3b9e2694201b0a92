"""What somebody may have put in the place of a file that imgpipe keeps for itself."""

from __future__ import annotations

import os
from pathlib import Path

SECRET = "precious\n"
JUNK = 100 * 2**20
KINDS = ("a FIFO", "a link", "a folder", "junk", "deep JSON")


def plant(kind: str, path: Path, victim: Path) -> None:
    """Put something else in a file's place; `victim` is what a link leads to."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    victim.write_text(SECRET)
    victim.chmod(0o600)
    if kind == "a FIFO":
        os.mkfifo(path)
    elif kind == "a link":
        path.symlink_to(victim)
    elif kind == "a folder":
        path.mkdir()
    elif kind == "junk":
        # Not zeros alone: what begins like JSON would be read on.
        path.write_bytes(b"[" + b"1," * 1000)
        os.truncate(path, JUNK)
    else:
        path.write_text("[" * 200_000)
