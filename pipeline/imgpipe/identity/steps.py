"""The same edits for an image that imgpipe did not build."""

from __future__ import annotations

from imgpipe.identity.first_boot import OPERATION
from imgpipe.offline_edits import Step


def steps() -> tuple[Step, ...]:
    """Return what makes an image take its identity from its machine's definition, and report."""
    return OPERATION.steps
