"""What may be shown or kept: text from guests made harmless, secrets taken out."""

from __future__ import annotations

import re

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
# crypt(5): '$6$salt$digest' and its kin, parameters such as 'rounds=5000' included.
_CRYPT = re.compile(r"\$(?:[1567y]|2[abxy]|gy|sm3|md5)\$[./0-9A-Za-z$=,+-]{8,}")
_USER_INFO = re.compile(r"(?<=://)[^/@\s\"'\\]+(?=@)")


def printable(text: str, limit: int = 4096) -> str:
    """Return `text` without control characters, at most `limit` characters long; tabs and line breaks stay.

    Text direction marks go too: they make a terminal show one thing and mean another.
    """
    clean = _CONTROL.sub("", text)
    return clean if len(clean) <= limit else f"{clean[:limit]}…"


def one_line(text: str, limit: int = 500) -> str:
    """Return `text` as one printable line."""
    return printable(" ".join(text.split()), limit)


def without_secrets(text: str) -> str:
    """Return `text` with password hashes (crypt(5)) and the user part of URLs replaced; JSON stays JSON."""
    return _USER_INFO.sub("(secret)", _CRYPT.sub("(secret)", text))
