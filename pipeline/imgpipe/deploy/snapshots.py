"""What leads out of an external snapshot of a linked machine."""

from __future__ import annotations

from pathlib import Path
from shlex import quote


def commit_command(name: str, own: Path) -> str:
    """Return the command that merges a machine's overlays into its `own` disk; DISK is left to be filled in.

    Without '--base' virsh merges down to the bottom of the chain: into the golden image, and so into all its clones.
    """
    return f"virsh blockcommit {quote(name)} DISK --base {quote(str(own))} --active --pivot"
