"""Passwords as answer files hold them: disguised, not encrypted, so the file stays secret."""

from __future__ import annotations

import base64
import re

ADMINISTRATOR = "AdministratorPassword"
"""What Windows adds to the administrator's password before encoding it; it refuses a value with another suffix."""
ANY_OTHER = "Password"
_LEAST_KINDS = 3
_LEAST_LENGTH = 8
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


def weakness(password: str) -> str:
    """Say why Windows Server would refuse a password and Setup stop; empty if it would not.

    The rule is that of the local policy 'Password must meet complexity requirements'.
    """
    kinds = sum(1 for kind in _KINDS if re.search(kind, password))
    if len(password) < _LEAST_LENGTH:
        return f"it is shorter than {_LEAST_LENGTH} characters"
    if kinds < _LEAST_KINDS:
        return "it has fewer than three of capitals, small letters, digits and other characters"
    if "administrator" in password.lower():
        return "it contains the account's name"
    return ""
