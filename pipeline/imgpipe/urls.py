"""URLs as words: which file one means, and what of it may be shown. Nothing is fetched here."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from imgpipe.disclosure import url_without_secrets
from imgpipe.errors import RecipeError
from imgpipe.home import in_home


def local_path(url: str) -> Path | None:
    """Return the path that a file:// URL means (RFC 8089) or that is no URL at all; None for other URLs."""
    if "://" not in url:
        return in_home(url)
    parts = urlsplit(url)
    if parts.scheme != "file":
        return None
    if parts.netloc not in {"", "localhost"}:
        raise RecipeError(
            f"The URL '{without_login(url)}' names a file of another host.", hint="Write it as file:///folder/name.iso."
        )
    return Path(unquote(parts.path))


def file_name(url: str) -> str:
    """Return the last part of the URL's path, safe as a name in a folder."""
    name = unquote(urlsplit(url).path).rpartition("/")[2]
    if name in {"", ".", ".."} or not name.isprintable():
        raise RecipeError(f"The URL '{without_login(url)}' does not end in a file's name.")
    return name


def without_login(url: str) -> str:
    """Return the URL without user name, password, query and fragment, as it may be shown and logged."""
    return url_without_secrets(url)
