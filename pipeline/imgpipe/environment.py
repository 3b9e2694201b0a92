"""What programs that imgpipe starts inherit: no variable that holds a secret, and folders where daemons lie."""

from __future__ import annotations

import os
from collections.abc import Mapping

ROOT_PASSWORD = "IMGPIPE_ROOT_PASSWORD"  # noqa: S105 (the variable's name)

# Not on the PATH of ordinary users and of cron, on Debian for one; libvirtd, ip and iptables lie there.
_ADMINISTRATORS = ("/usr/local/sbin", "/usr/sbin", "/sbin")

_secret = {ROOT_PASSWORD}


def keep_from_children(name: str) -> None:
    """Remember that a variable holds a secret."""
    _secret.add(name)


def program_path() -> str:
    """Return PATH, and behind it the administrators' folders."""
    ours = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join((*ours, *(folder for folder in _ADMINISTRATORS if folder not in ours)))


def of_children(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a program of the host: ours without secrets, a fixed locale, and `more`.

    It finds administrators' programs too.
    """
    ours = {name: value for name, value in os.environ.items() if name not in _secret}
    return {**ours, "PATH": program_path(), "LC_ALL": "C.UTF-8", **(more or {})}


def drop_secrets() -> None:
    """Forget the secrets, before this process becomes another program."""
    for name in _secret:
        os.environ.pop(name, None)
