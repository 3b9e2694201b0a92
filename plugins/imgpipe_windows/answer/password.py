"""Passwords as answer files hold them: disguised, not encrypted, so the file stays secret."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

ADMINISTRATOR = "AdministratorPassword"
"""What Windows adds to the administrator's password before encoding it; it refuses a value with another suffix."""
ANY_OTHER = "Password"
_LEAST_KINDS = 3
_LEAST_LENGTH = 8
_MOST_LENGTH = 127
_KINDS = (r"[A-Z]", r"[a-z]", r"[0-9]", r"[^A-Za-z0-9]")


def encoded(password: str, suffix: str) -> str:
    """Return a password as `<Value>` has it where `<PlainText>` is false: base64 of UTF-16LE, with its suffix."""
    return base64.b64encode((password + suffix).encode("utf-16-le")).decode()


def decoded(value: str) -> str | None:
    """Return what `encoded` took, with the suffix; None for what is no such value."""
    try:
        return base64.b64decode(value, validate=True).decode("utf-16-le")
    except ValueError:
        return None


def weaknesses(password: str) -> Iterator[str]:
    """Yield why Windows Server would refuse the administrator's password, and so wait at its first boot for ever.

    The rule is that of the local policy 'Password must meet complexity requirements'.
    """
    if not _LEAST_LENGTH <= len(password) <= _MOST_LENGTH:
        yield f"must have {_LEAST_LENGTH} to {_MOST_LENGTH} characters"
    if sum(bool(re.search(kind, password)) for kind in _KINDS) < _LEAST_KINDS:
        yield "must have three of capitals, small letters, digits and other characters"
    if "administrator" in password.casefold():
        yield "must not contain the account's name"
    if not all(sign.isprintable() for sign in password):
        yield "must not contain control characters"
