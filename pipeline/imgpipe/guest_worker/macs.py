"""MAC addresses in configuration files of a guest, in whatever notation they are written. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

# Whole runs of hexadecimal groups: what is part of a DUID or of an IPv6 address is no MAC address.
_RUN = re.compile(rb"(?<![0-9A-Za-z])[0-9A-Fa-f]+(?:[:.-]+[0-9A-Fa-f]+)*(?![0-9A-Za-z])")
# A DHCP client id of the hardware type Ethernet (RFC 2132, 9.14) has the address behind its type.
_CLIENT_ID = re.compile(rb"01([:-])[0-9A-Fa-f]{2}(?:\1[0-9A-Fa-f]{2}){5}")
_MAC = re.compile(rb"[0-9a-f]{2}([:-])[0-9a-f]{2}(?:\1[0-9a-f]{2}){4}|(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}")


def replaced(content: bytes, pairs: Iterable[Iterable[str]]) -> bytes:
    """Return the content with each old address replaced by its new one, in one pass, so that two may be swapped.

    Separators and case stay as they are written there; every other byte stays.
    """
    table = {digits(old): digits(new) for old, new in pairs}
    return _RUN.sub(lambda found: _successor(found[0], table), content)


def found(content: bytes, macs: Iterable[str]) -> bool:
    """Say whether one of the addresses is in the content."""
    wanted = {digits(mac) for mac in macs}
    runs = (_parts(run)[1] for run in _RUN.findall(content))
    return any(_MAC.fullmatch(run.lower()) and digits(run.decode()) in wanted for run in runs)


def digits(mac: str) -> str:
    """Return the twelve hexadecimal digits of an address, in lower case."""
    return re.sub(r"[:.-]", "", mac).lower()


def _parts(run: bytes) -> tuple[bytes, bytes]:
    """Return what stands before the address in a run of groups, and the address."""
    return (run[:3], run[3:]) if _CLIENT_ID.fullmatch(run) else (b"", run)


def _successor(run: bytes, table: Mapping[str, str]) -> bytes:
    before, text = _parts(run)
    if not _MAC.fullmatch(text.lower()):
        return run
    old = text.decode()
    new = table.get(digits(old))
    if new is None:
        return run
    if any(sign.isupper() for sign in old) and not any(sign.islower() for sign in old):
        new = new.upper()
    left = iter(new)
    return before + "".join(sign if sign in ":.-" else next(left) for sign in old).encode()
