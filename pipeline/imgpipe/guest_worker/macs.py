"""MAC addresses in configuration files of a guest and in their names, in whatever notation they are written. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

# Whole runs of hexadecimal groups: what is part of a DUID or of an IPv6 address is no MAC address.
_RUN = re.compile(rb"(?<![0-9A-Za-z])[0-9A-Fa-f]+(?:[:.-]+[0-9A-Fa-f]+)*(?![0-9A-Za-z])")
# A DHCP client id of the hardware type Ethernet (RFC 2132, 9.14) has the address behind its type.
_CLIENT_ID = re.compile(rb"01([:-])[0-9A-Fa-f]{2}(?:\1[0-9A-Fa-f]{2}){5}")
_MAC = re.compile(rb"[0-9a-f]{2}([:-])[0-9a-f]{2}(?:\1[0-9a-f]{2}){4}|(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}")
# Twelve digits alone, or as a name that udev makes of them (systemd.net-naming-scheme(7)); not the node of a UUID.
_BARE = re.compile(rb"(?<![0-9A-Za-z])(?<!-[0-9A-Fa-f]{4}-)((?:en|ib|sl|wl|ww)x)?([0-9A-Fa-f]{12})(?![0-9A-Za-z])")
# NetworkManager's old keyfiles have an address as a list of bytes, each in decimal digits.
_BYTES = re.compile(rb"(?<![0-9;])[0-9]{1,3}(?:;[0-9]{1,3}){5}(?![0-9]|;[0-9])")
# What sorts a file before others (systemd.network(5), netplan, udev) is no part of what its name says.
_RANK = re.compile(rb"[0-9]{1,3}-")

Pairs = Iterable[Iterable[str]]


def replaced(content: bytes, pairs: Pairs) -> bytes:
    """Return the content with each old address replaced by its new one, at once, so that two may be swapped.

    Separators and case stay as they are written there; every other byte stays.
    """
    table = {digits(old): digits(new) for old, new in pairs}
    # No notation is taken for another one, so that nothing is replaced twice.
    content = _RUN.sub(lambda found: _successor(found[0], table), content)
    content = _BARE.sub(lambda found: (found[1] or b"") + _respelled(found[2], table), content)
    return _BYTES.sub(lambda found: _other_bytes(found[0], table), content)


def replaced_in_name(name: str, pairs: Pairs) -> str:
    """Return a file's name with the addresses in it replaced."""
    raw = name.encode("utf-8", "surrogateescape")
    rank = _RANK.match(raw)
    cut = rank.end() if rank else 0
    return (raw[:cut] + replaced(raw[cut:], pairs)).decode("utf-8", "surrogateescape")


def found(content: bytes, macs: Iterable[str]) -> bool:
    """Say whether one of the addresses is in the content."""
    return replaced(content, _marked(macs)) != content


def found_in_name(name: str, macs: Iterable[str]) -> bool:
    """Say whether one of the addresses is in a file's name."""
    return replaced_in_name(name, _marked(macs)) != name


def digits(mac: str) -> str:
    """Return the twelve hexadecimal digits of an address, in lower case."""
    return re.sub(r"[:.-]", "", mac).lower()


def _marked(macs: Iterable[str]) -> list[tuple[str, str]]:
    """Return pairs whose replacement would change any of the addresses."""
    return [(mac, f"{int(digits(mac), 16) ^ 1:012x}") for mac in macs]


def _parts(run: bytes) -> tuple[bytes, bytes]:
    """Return what stands before the address in a run of groups, and the address."""
    return (run[:3], run[3:]) if _CLIENT_ID.fullmatch(run) else (b"", run)


def _successor(run: bytes, table: Mapping[str, str]) -> bytes:
    before, text = _parts(run)
    return before + _respelled(text, table) if _MAC.fullmatch(text.lower()) else run


def _respelled(text: bytes, table: Mapping[str, str]) -> bytes:
    """Return the address that takes the place of `text`, written as that is."""
    old = text.decode()
    new = table.get(digits(old))
    if new is None:
        return text
    if any(sign.isupper() for sign in old) and not any(sign.islower() for sign in old):
        new = new.upper()
    left = iter(new)
    return "".join(sign if sign in ":.-" else next(left) for sign in old).encode()


def _other_bytes(text: bytes, table: Mapping[str, str]) -> bytes:
    numbers = [int(number) for number in text.split(b";")]
    if max(numbers) > 0xFF:
        return text
    new = table.get(bytes(numbers).hex())
    return text if new is None else ";".join(str(number) for number in bytes.fromhex(new)).encode()
