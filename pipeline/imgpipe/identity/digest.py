"""A name for everything that a guest is told."""

from __future__ import annotations

import dataclasses
import hashlib
import json

from imgpipe.deploy.wanted import Identity


def identity_digest(identity: Identity) -> str:
    """Return 16 hex digits that differ whenever two identities do, secrets included."""
    text = json.dumps(dataclasses.asdict(identity), default=str, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
