"""Values out of the hives of the Windows registry, by hivex in the appliance: a hive may be hostile."""

from __future__ import annotations

import struct
from typing import Any

from imgpipe.guest_worker.files import Files
from imgpipe.guest_worker.text import as_bytes

SZ, EXPAND_SZ, DWORD = 1, 2, 4
MOST_VALUE = 4096
MOST_HIVE = 512 * 2**20


def read(g: Any, files: Files, wanted: list[dict[str, str]]) -> list[str | None]:  # noqa: ANN401
    """Return texts and numbers, as text; None for what is not there, cannot be read, or is of another type."""
    hives: dict[str, dict[int, dict[str, str]]] = {}
    for number, value in enumerate(wanted):
        hives.setdefault(value["hive"], {})[number] = value
    found: dict[int, str | None] = {}
    for hive, values in hives.items():
        size = files.size(hive)
        if size is None or size > MOST_HIVE:
            continue
        try:
            g.hivex_open(files.spelled(hive))
        except RuntimeError:
            continue
        try:
            found.update({number: _value(g, value["key"], value["name"]) for number, value in values.items()})
        finally:
            g.hivex_close()
    return [found.get(number) for number in range(len(wanted))]


def _value(g: Any, key: str, name: str) -> str | None:  # noqa: ANN401
    try:
        node = g.hivex_root()
        for part in key.split("\\"):
            node = g.hivex_node_get_child(node, part)
            if not node:
                return None
        value = g.hivex_node_get_value(node, name)
        return _decoded(g.hivex_value_type(value), as_bytes(g.hivex_value_value(value))) if value else None
    except RuntimeError:
        return None


def _decoded(kind: int, data: bytes) -> str | None:
    if kind in (SZ, EXPAND_SZ):
        return data[:MOST_VALUE].decode("utf-16-le", "replace").partition("\0")[0]
    return str(struct.unpack("<I", data)[0]) if kind == DWORD and len(data) == 4 else None
