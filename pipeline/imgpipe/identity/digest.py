"""The name of an identity: two that differ in anything have different digests."""

from __future__ import annotations

import dataclasses
import hashlib
import json

from imgpipe.deploy.wanted import Identity


def identity_digest(identity: Identity) -> str:
    """Return 16 hexadecimal digits of the SHA-256 of the identity as canonical JSON, secrets included."""
    canonical = json.dumps(dataclasses.asdict(identity), default=str, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]
