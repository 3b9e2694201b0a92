"""The name of an identity: two that differ in anything have different digests."""

from __future__ import annotations

import dataclasses
import hashlib
import json

from imgpipe.deploy.wanted import Identity


def identity_digest(identity: Identity) -> str:
    """Return 16 hexadecimal digits of the SHA-256 of the identity as canonical JSON, secrets included.

    Plain passwords are not: they could be guessed by it, and their salted hashes change with them.
    """
    values = dataclasses.asdict(identity)
    del values["password"]
    canonical = json.dumps(values, default=str, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]
