"""The name of an identity: two that differ in anything have different digests.

Anybody who may list a host's processes or read a definition can read a digest, so nothing secret may be guessed by
it: where an identity has secrets, the digest is keyed with bytes of the data root that nobody else can read.
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import json

from imgpipe.deploy.wanted import Identity

_LENGTH = 16


def identity_digest(identity: Identity) -> str:
    """Return 16 hexadecimal digits that name the identity, secrets included: keyed if there are any, else SHA-256."""
    return _keyed(identity, "identity")[:_LENGTH] if _has_secrets(identity) else _plain(identity)


def seed_nonce(identity: Identity) -> str:
    """Return 128 bits, in hexadecimal, that nobody can tell without the data root's key.

    They make the digest of a seed useless for guessing what is in it. The same identity has the same, so that a
    definition and its seed, which are written one after the other, belong together also after an interruption.
    """
    return _keyed(identity, "seed")[:32]


def is_named_by(digest: str, identity: Identity) -> bool:
    """Say whether `digest` is the identity's, made today or by a version that keyed none.

    That version's digest is good where nothing can be guessed by it: where the only secrets are salted hashes.
    """
    return digest == identity_digest(identity) or (digest == _plain(identity) and not _can_be_guessed(identity))


def is_unkeyed(digest: str, identity: Identity) -> bool:
    """Say whether `digest` is one by which the identity's secrets can be guessed, of an earlier version."""
    return digest == _plain(identity) and _can_be_guessed(identity)


def _has_secrets(identity: Identity) -> bool:
    hashed = identity.password_hash or any(user.password_hash for user in identity.users)
    return bool(hashed) or _can_be_guessed(identity)


def _can_be_guessed(identity: Identity) -> bool:
    return any(file.is_secret for file in identity.files)


def _keyed(identity: Identity, purpose: str) -> str:
    return hmac.new(identity.key, f"{purpose}\0{_canonical(identity)}".encode(), "sha256").hexdigest()


def _plain(identity: Identity) -> str:
    return hashlib.sha256(_canonical(identity).encode()).hexdigest()[:_LENGTH]


def _canonical(identity: Identity) -> str:
    """Return the identity as canonical JSON, without plain passwords: their salted hashes change with them."""
    values = dataclasses.asdict(identity)
    del values["password"], values["key"]
    return json.dumps(values, default=str, sort_keys=True, separators=(",", ":"))
