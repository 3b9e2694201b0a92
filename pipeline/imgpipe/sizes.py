"""Sizes as people write them, and the size that a recipe's name may carry.

Bytes are whole numbers from here on. Units are binary: '2 GiB', '2G' and '2g' are all 2 * 2**30 bytes. People write
the unit: to virt-install a bare number is MiB of memory and GiB of disk, so whoever writes one means neither bytes nor
anything that could be guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema

from imgpipe.schema_rules import SIZE

KIB = 2**10
MIB = 2**20
GIB = 2**30

WRITTEN = {"written": True}
"""The context of a validation of what people wrote; what imgpipe wrote itself, such as manifests, has bare bytes."""

_UNITS = {"b": 1, "k": KIB, "m": MIB, "g": GIB, "t": 2**40}
_LARGEST = 2**62
_MOST_DIGITS = 19
_SIZE = re.compile(r"([0-9]+)\s*(?:([kmgt])(?:i?b)?|(b)|)", re.IGNORECASE)
_FRACTION = re.compile(r"[0-9]+[.,][0-9]+\s*(?:([kmgt])(?:i?b)?|(b)|)", re.IGNORECASE)
_SIZED_NAME = re.compile(
    r"(?P<base>[a-z0-9][a-z0-9.-]*)-(?P<cpus>[1-9][0-9]{0,5})c(?P<memory>[1-9][0-9]{0,8})g(?P<disk>[1-9][0-9]{0,8})g"
)


def parse_bytes(text: str) -> int:
    """Return the bytes that '2 GiB' means; only 0 needs no unit.

    Raises ValueError, which pydantic shows with the field's key.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        whole = ", in whole numbers" if _FRACTION.fullmatch(text.strip()) else ""
        raise ValueError(f"must be a size such as '20 GiB' or '1536 MiB'{whole}")
    digits, unit = match[1].lstrip("0") or "0", (match[2] or match[3] or "").lower()
    if len(digits) > _MOST_DIGITS or int(digits) * _UNITS.get(unit, 1) > _LARGEST:
        raise ValueError("is larger than any disk")
    if digits != "0" and not unit:
        raise ValueError(f"needs a unit: {_readings(int(digits))}?")
    return int(digits) * _UNITS.get(unit, 1)


def _readings(number: int) -> str:
    """Return the two sizes that somebody who wrote a bare number most likely means."""
    if number < KIB:
        return f"'{number} MiB' or '{number} GiB'"
    if number < MIB:
        return f"'{number} MiB' or '{exact_bytes(number * MIB) if number % KIB == 0 else f'{number} GiB'}'"
    return f"'{number} B' or '{show_bytes(number) if number % MIB else exact_bytes(number)}'"


def show_bytes(count: int) -> str:
    """Return '2 GiB' for 2147483648: the largest binary unit that stays a short number."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.4g} {unit}"
        amount /= 1024
    return f"{amount:.4g} TiB"


def exact_bytes(count: int) -> str:
    """Return '2047 MiB' where `show_bytes` would say '1.999 GiB': nothing is rounded, so it can be compared."""
    unit, size = next(((name, size) for name, size in _WHOLE if count and count % size == 0), ("B", 1))
    return f"{count // size} {unit}"


_WHOLE = (("TiB", 2**40), ("GiB", GIB), ("MiB", MIB), ("KiB", KIB))


def _bytes(value: object, info: ValidationInfo) -> object:
    """Return the bytes of a size; what is none is left for pydantic to refuse."""
    if isinstance(value, str):
        return parse_bytes(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if value > _LARGEST:
        raise ValueError("is larger than any disk")
    if info.context == WRITTEN and value:
        raise ValueError(f"needs a unit: {_readings(int(value))}?")
    return value


Size = BeforeValidator(_bytes)
"""Reads a size with its unit, for the fields that have bounds of their own."""
Bytes = Annotated[
    int,
    Size,
    Field(gt=0),
    WithJsonSchema(SIZE),
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
