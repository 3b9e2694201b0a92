"""Environment variables that hold secrets: read here by name, and not inherited by the programs that imgpipe starts."""

from __future__ import annotations

import os
from collections.abc import Mapping

ROOT_PASSWORD = "IMGPIPE_ROOT_PASSWORD"  # noqa: S105 (the variable's name)

_secret = {ROOT_PASSWORD}


def keep_from_children(name: str) -> None:
    """Remember that a variable holds a secret."""
    _secret.add(name)


def of_children(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a program of the host: ours without secrets, a fixed locale, and `more`."""
    ours = {name: value for name, value in os.environ.items() if name not in _secret}
    return {**ours, "LC_ALL": "C.UTF-8", **(more or {})}


def drop_secrets() -> None:
    """Forget the secrets, before this process becomes another program."""
    for name in _secret:
        os.environ.pop(name, None)
