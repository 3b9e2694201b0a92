"""Registry hives: a new empty one, and values set by path.

Format of the empty hive: "Windows registry file format specification" (M. Suhanov, msuhanov/regf). hivex can change
a hive but make none.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

import hivex

_STRING, _DWORD, _BINARY = 1, 4, 3
_NOTHING = 0xFFFFFFFF
_BIN = 4096
# Self-relative, without owner, group or lists: everybody may do everything.
_DESCRIPTOR = struct.pack("<BBHIIII", 1, 0, 0x8000, 0, 0, 0, 0)

Value = str | int | bytes


def empty_hive() -> bytes:
    """Return a hive that has a root key and nothing in it."""
    key = _cell(_root_key(security=_NOTHING))
    # The security cell follows the root key's; both stand behind the bin's header of 32 bytes.
    security = 32 + len(key)
    key = _cell(_root_key(security=security))
    cells = key + _cell(struct.pack("<2sHIIII", b"sk", 0, security, security, 1, len(_DESCRIPTOR)) + _DESCRIPTOR)
    free = _BIN - 32 - len(cells)
    first_bin = struct.pack("<4sII8xQI", b"hbin", 0, _BIN, 0, 0) + cells + struct.pack("<i", free)
    head = struct.pack("<4sIIQIIIIIII", b"regf", 1, 1, 0, 1, 3, 0, 1, 32, _BIN, 1).ljust(508, b"\0")
    checksum = 0
    for (word,) in struct.iter_unpack("<I", head):
        checksum ^= word
    return (head + struct.pack("<I", checksum)).ljust(_BIN, b"\0") + first_bin.ljust(_BIN, b"\0")


def change_hive(path: Path, values: Mapping[str, Mapping[str, Value]]) -> None:
    r"""Set values by the path of their key, such as `Microsoft\Windows NT\CurrentVersion`; others stay."""
    hive = hivex.Hivex(str(path), write=True)
    for key, named in values.items():
        node = hive.root()
        for name in key.split("\\"):
            node = hive.node_get_child(node, name) or hive.node_add_child(node, name)
        for name, value in named.items():
            hive.node_set_value(node, {"key": name, **_typed(value)})
    hive.commit(None)


def _typed(value: Value) -> dict[str, object]:
    if isinstance(value, str):
        return {"t": _STRING, "value": (value + "\0").encode("utf-16-le")}
    if isinstance(value, int):
        return {"t": _DWORD, "value": struct.pack("<I", value)}
    return {"t": _BINARY, "value": value}


def _root_key(*, security: int) -> bytes:
    name = b"ROOT"
    # Flags: root of a hive, not to be deleted, name in one byte a character.
    head = struct.pack("<2sHQIIIIII", b"nk", 0x2C, 0, 0, 0, 0, 0, _NOTHING, _NOTHING)
    head += struct.pack("<IIII", 0, _NOTHING, security, _NOTHING)
    return head + struct.pack("<IIIIIHH", 0, 0, 0, 0, 0, len(name), 0) + name


def _cell(content: bytes) -> bytes:
    """Return an allocated cell: a negative size, a multiple of eight, before the content."""
    size = -(-(len(content) + 4) // 8) * 8
    return struct.pack("<i", -size) + content.ljust(size - 4, b"\0")
