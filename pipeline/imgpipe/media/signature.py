"""OpenPGP signatures of CHECKSUM files, checked by gpgv(1) against one keyring."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

from imgpipe.adapters import process
from imgpipe.adapters.temporary import temporary_folder
from imgpipe.errors import HostError, RecipeError
from imgpipe.named_files import read_bytes

SUFFIXES = (".asc", ".gpg", ".sig", ".sign")
"""How publishers name a detached signature."""

_ARMOUR = b"-----BEGIN PGP PUBLIC KEY BLOCK-----"
_ARMOUR_END = b"-----END PGP PUBLIC KEY BLOCK-----"
_CLEARSIGNED = b"-----BEGIN PGP SIGNED MESSAGE-----"

# Debian's whole keyring has 200 KiB.
LONGEST_KEYRING = 16 * 2**20


def is_clearsigned(content: bytes) -> bool:
    """Say whether the content carries its signature itself."""
    return content.lstrip().startswith(_CLEARSIGNED)


def signed_content(content: bytes, signature: bytes | None, keyring: Path, origin: str) -> bytes:
    """Return what a key of `keyring` signed: the content, or of a clearsigned one the text within alone.

    Raises RecipeError if no key of the keyring made the signature, HostError if gpgv is not installed.
    """
    if not process.is_installed("gpgv"):
        raise HostError(
            f"The signature of '{origin}' cannot be checked: the program 'gpgv' is not installed.",
            hint="Install the package 'gpgv' (Debian) or 'gnupg2' (Enterprise Linux).",
        )
    with temporary_folder() as folder:
        for file, data in (("keys", _dearmoured(keyring)), ("content", content), ("signature", signature or b"")):
            (folder / file).write_bytes(data)
        inputs = [folder / "signature", folder / "content"] if signature else [folder / "content"]
        # What gpgv writes out is what was signed: text around a clearsigned message is not.
        output: list[process.Argument] = [] if signature else ["--output", folder / "signed"]
        try:
            process.run("gpgv", "--homedir", folder, "--keyring", folder / "keys", *output, *inputs, timeout_s=60)
        except HostError as error:
            raise RecipeError(
                f"The checksum file '{origin}' is not signed by a key of '{keyring}'.",
                hint="Use the publisher's key of this release; if it is the right one, do not trust this medium.",
                details=[line for line in error.details if not line.startswith("command:")],
            ) from None
        return content if signature else (folder / "signed").read_bytes()


def _dearmoured(keyring: Path) -> bytes:
    """Return the keys in binary form, which alone gpgv reads; publishers give them in armour (RFC 9580, 6.2)."""
    try:
        content = read_bytes(keyring, LONGEST_KEYRING)
    except OSError as error:
        raise RecipeError(
            f"The keyring '{keyring}' cannot be read: {error.strerror}.", hint="Check the recipe's medium.keyring."
        ) from None
    if _ARMOUR not in content:
        return content
    try:
        return b"".join(_unwrapped(block.split(_ARMOUR_END)[0]) for block in content.split(_ARMOUR)[1:])
    except binascii.Error:
        raise RecipeError(f"The keyring '{keyring}' is damaged.", hint="Get it from the publisher again.") from None


def _unwrapped(block: bytes) -> bytes:
    lines = [line.strip() for line in block.strip(b"\r\n").splitlines()]
    body = lines[lines.index(b"") + 1 :] if b"" in lines else lines
    return base64.b64decode(b"".join(line for line in body if not line.startswith(b"=")), validate=True)
