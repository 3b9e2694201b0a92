"""An identity as the lines that the guest's script reads (see guest/first_boot.sh).

A line is a verb and its fields, separated by blanks: words of this program, digits and MAC addresses as they
are, everything else in base64, '-' for nothing. So a shell can read it, and no value can become a line or a command.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass

from imgpipe.deploy.wanted import Identity, WantedFile
from imgpipe.identity.digest import identity_digest, seed_nonce
from imgpipe.identity.network import RENDERERS

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The lines of an identity; `secret` ones may not be where others than root can read them.

    `nonce` begins what is secret, so that a digest of that, which everybody can read, says nothing about it.
    """

    digest: str
    nonce: str
    public: tuple[str, ...]
    secret: tuple[str, ...]


def document(identity: Identity, network: str) -> Document:
    """Return the lines for a guest with this network tool (`Personalise.network`)."""
    return Document(
        digest=identity_digest(identity),
        nonce=seed_nonce(identity),
        public=tuple(_public(identity, network)),
        secret=tuple(_secret(identity)),
    )


def heading(digest: str) -> str:
    """Return the first line of every document."""
    return f"imgpipe {VERSION} {digest}"


def nonce_line(nonce: str) -> str:
    """Return the line of a seed's nonce; guests pass it over, also those of images from before there was one."""
    return f"seed nonce {nonce}"


def encoded(text: str) -> str:
    """Return a field for any text."""
    return base64.b64encode(text.encode()).decode() or "-"


def _public(identity: Identity, network: str) -> Iterator[str]:
    yield f"hostname {encoded(identity.hostname)}"
    if network in RENDERERS:
        yield f"network {network}"
        for file in RENDERERS[network](identity.nics):
            yield f"netfile {file.mode:04o} {file.mac or '-'} {encoded(file.path)} {encoded(file.text)}"
    for user in identity.users:
        yield f"user {encoded(user.name)} {encoded(user.comment)} {encoded(' '.join(user.groups))}"
    # Without keys too: those of an identity before this one must go.
    for name, keys in (("root", identity.keys), *((user.name, user.keys) for user in identity.users)):
        yield f"keys {encoded(name)} {encoded(_lines(keys))}"
    yield from (_file(file) for file in identity.files if not file.is_secret)


def _secret(identity: Identity) -> Iterator[str]:
    hashes = (("root", identity.password_hash), *((user.name, user.password_hash) for user in identity.users))
    yield from (f"password {encoded(name)} {encoded(hashed)}" for name, hashed in hashes if hashed)
    yield from (_file(file) for file in identity.files if file.is_secret)


def _lines(keys: tuple[str, ...]) -> str:
    return "".join(f"{key}\n" for key in keys)


def _file(file: WantedFile) -> str:
    return f"file {file.mode:04o} {encoded(file.owner)} {encoded(file.path)} {encoded(file.text)}"
