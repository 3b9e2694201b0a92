"""Media compared with what their publisher says they are."""

from __future__ import annotations

from pathlib import Path

from imgpipe.adapters.download import fetch_small
from imgpipe.errors import RecipeError
from imgpipe.events import Listener, Note
from imgpipe.home import in_home
from imgpipe.media import signature
from imgpipe.media.checksums import Checksum, pick
from imgpipe.media.digests import file_digest
from imgpipe.media.progress import reporter
from imgpipe.recipe import MediumSource
from imgpipe.store import Store


def expectations(source: MediumSource, name: str) -> tuple[Checksum, ...]:
    """Return every digest that the medium `name` must have: the recipe's own, and its CHECKSUM file's.

    The CHECKSUM file's signature is checked first if the recipe names a keyring. Raises RecipeError if the file is
    not there, is not signed as it must be, or does not know the name.
    """
    own = (Checksum(name=name, algorithm="sha256", digest=source.sha256),) if source.sha256 else ()
    if not source.checksums:
        return own
    text = _checksum_file(source.checksums, source.keyring).decode("utf-8", "replace")
    return (*own, pick(text, name, source.checksums))


def verify(path: Path, expected: tuple[Checksum, ...], store: Store, notify: Listener) -> None:
    """Raise RecipeError, with both digests, if the medium is not the one that is expected."""
    for checksum in expected:
        actual = file_digest(path, checksum.algorithm, store, reporter(notify, f"verifying {path.name}"))
        if actual != checksum.digest:
            raise wrong_digest(path.name, checksum, actual)
    if expected:
        kinds = " and ".join(dict.fromkeys(checksum.algorithm for checksum in expected))
        notify(Note(text=f"The {kinds} digest of '{path.name}' is the expected one."))


def wrong_digest(name: str, expected: Checksum, actual: str) -> RecipeError:
    """Return the error for a medium that is not what it should be."""
    return RecipeError(
        f"The medium '{name}' is not the one that is expected: its {expected.algorithm} digest differs.",
        hint="Get it again from its publisher; if the release is a newer one, change the digest in the recipe.",
        details=(f"expected: {expected.digest}", f"it has:   {actual}"),
    )


def _checksum_file(location: str, keyring: str | None) -> bytes:
    content = fetch_small(location)
    if content is None:
        raise RecipeError(
            f"There is no checksum file '{location}'.", hint="Check medium.checksums; publishers move old releases."
        )
    if not keyring:
        return content
    detached = None if signature.is_clearsigned(content) else _detached_signature(location)
    return signature.signed_content(content, detached, in_home(keyring), location)


def _detached_signature(location: str) -> bytes:
    for suffix in signature.SUFFIXES:
        if (found := fetch_small(location + suffix)) is not None:
            return found
    raise RecipeError(
        f"The checksum file '{location}' is not signed: it carries no signature and has none beside it.",
        hint=f"Put the signature beside it ({', '.join(signature.SUFFIXES)}), or remove medium.keyring.",
    )
