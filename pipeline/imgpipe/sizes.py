"""Sizes as people write them, and the size that a recipe's name may carry.

Bytes are whole numbers from here on. Units are binary: '2 GiB', '2G' and '2g' are all 2 * 2**30 bytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator, Field

KIB = 2**10
MIB = 2**20
GIB = 2**30

_UNITS = {"": 1, "k": KIB, "m": MIB, "g": GIB, "t": 2**40}
_LARGEST = 2**62
_MOST_DIGITS = 19
_SIZE = re.compile(r"([0-9]+)\s*(?:([kmgt])(?:i?b)?|b)?", re.IGNORECASE)
_SIZED_NAME = re.compile(
    r"(?P<base>[a-z0-9][a-z0-9.-]*)-(?P<cpus>[1-9][0-9]{0,5})c(?P<memory>[1-9][0-9]{0,8})g(?P<disk>[1-9][0-9]{0,8})g"
)


def parse_bytes(text: object) -> object:
    """Return the bytes that '2 GiB' or 2147483648 means; anything else is left for pydantic to refuse.

    Raises ValueError, which pydantic shows with the field's key.
    """
    if isinstance(text, int | float) and text > _LARGEST:
        raise ValueError("is larger than any disk")
    if not isinstance(text, str):
        return text
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError("must be a size such as '20 GiB'")
    digits, unit = match[1].lstrip("0") or "0", _UNITS[(match[2] or "").lower()]
    if len(digits) > _MOST_DIGITS or int(digits) * unit > _LARGEST:
        raise ValueError("is larger than any disk")
    return int(digits) * unit


def show_bytes(count: int) -> str:
    """Return '2 GiB' for 2147483648: the largest binary unit that stays a short number."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.4g} {unit}"
        amount /= 1024
    return f"{amount:.4g} TiB"


Bytes = Annotated[
    int,
    BeforeValidator(parse_bytes, json_schema_input_type=int | str),
    Field(gt=0, description="A size: '20 GiB', '512 MiB' or a number of bytes."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizing:
    """What the end of a name such as 'rocky9-8c16g100g' asks for."""

    cpus: int
    memory: int
    disk: int


def split_sized_name(name: str) -> tuple[str, Sizing] | None:
    """Split 'rocky9-8c16g100g' into 'rocky9' and its size; None where the name carries none."""
    match = _SIZED_NAME.fullmatch(name)
    if match is None:
        return None
    return match["base"], Sizing(
        cpus=int(match["cpus"]), memory=int(match["memory"]) * GIB, disk=int(match["disk"]) * GIB
    )
