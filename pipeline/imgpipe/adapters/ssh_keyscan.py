"""What SSH servers say of themselves: their public host keys. Anybody may answer, so nothing here is proof."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from imgpipe.adapters import process
from imgpipe.own_files import read_own

_SECONDS = 10
_SSH = Path("/etc/ssh")
_LONGEST_KEY = 64 * 1024
_MOST_BYTES = 4 * 2**20
# As in known_hosts (sshd(8)); comments and complaints begin with '#' or have other words.
_KEY = re.compile(r"(\S+) ([a-z0-9@.-]{1,64} [A-Za-z0-9+/]{16,8192}={0,3})")


def own_keys() -> tuple[str, ...]:
    """Return the public host keys of this host, 'TYPE BASE64', as far as they can be read."""
    found = []
    for path in sorted(_SSH.glob("ssh_host_*_key.pub")):
        try:
            found.append(" ".join(read_own(path, _LONGEST_KEY).decode("ascii", "replace").split()[:2]))
        except OSError:
            continue
    return tuple(found)


def scan(addresses: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return the public keys, 'TYPE BASE64', that servers answer with, by address; those that do not are missing.

    All are asked at the same time. Raises HostError where the program is not installed.
    """
    asked = tuple(dict.fromkeys(addresses))
    if not asked:
        return {}
    told = process.told_by(
        "ssh-keyscan", "-T", str(_SECONDS), "--", *asked,
        limit=_MOST_BYTES, timeout_s=_SECONDS * (6 + len(asked)),
    )  # fmt: skip
    found: dict[str, tuple[str, ...]] = {}
    for line in told.splitlines():
        if (match := _KEY.fullmatch(line.strip())) and match[1] in asked:
            found[match[1]] = (*found.get(match[1], ()), match[2])
    return found
