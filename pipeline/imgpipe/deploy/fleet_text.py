"""A fleet's table as a file of TOML (https://toml.io/en/v1.0.0): what options asked for, for people to go on with."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from imgpipe.disclosure import printable

# A comment of TOML has no control characters.
_LONGEST_HEADING = 8192
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def as_toml(table: Mapping[str, Any], heading: str) -> str:
    """Return a fleet's table as a file that is read as the same table; `heading` are its comments."""
    lines = [
        *(f"# {line}".rstrip() for line in printable(heading, _LONGEST_HEADING).splitlines()),
        *_pairs(table, ("groups",)),
    ]
    for name, group in table.get("groups", {}).items():
        lines += ["", f"[groups.{_key(name)}]", *_pairs(group, ("nics",))]
        for nic in group.get("nics", ()):
            lines += ["", f"[[groups.{_key(name)}.nics]]", *_pairs(nic, ())]
    return "\n".join(lines) + "\n"


def _pairs(table: Mapping[str, Any], apart: tuple[str, ...]) -> Iterator[str]:
    yield from (f"{_key(key)} = {_value(value)}" for key, value in table.items() if key not in apart)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _value(name)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return f"{{{', '.join(_pairs(value, ()))}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, int):
        return str(value)
    # JSON's strings are TOML's basic ones, but for DEL and for characters outside of the first plane, if escaped.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
