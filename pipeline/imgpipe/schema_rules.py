"""What a JSON Schema can say of the files that people write, beside what follows from the types themselves.

Validators of editors read it, so patterns are ECMA-262 as read with its flag `u`, which knows no needless escapes; and
a table that is asked for keys says its type and names them, as strict validators want (JSON Schema 2020-12, Ajv's
strict mode).
"""

from __future__ import annotations

from typing import Any

Rule = dict[str, Any]
"""Keywords of a JSON Schema."""

_OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
# Without 0, 127 and what lies behind 223: nobody can have such an address.
_FIRST = "(22[0-3]|2[01][0-9]|1[3-9][0-9]|12[0-689]|1[01][0-9]|[1-9][0-9]|[1-9])"
_ADDRESS = rf"{_FIRST}(\.{_OCTET}){{3}}"
# A number of bits or a mask, of which only the first octet cannot be 0.
_PREFIX = rf"(0*(3[0-2]|[12][0-9]|[1-9])|{_OCTET}(\.{_OCTET}){{3}})"
_UNIT = "([kKmMgGtT]([iI]?[bB])?|[bB])"

ADDRESS: Rule = {"type": "string", "pattern": f"^{_ADDRESS}$"}
"""An IPv4 address that a machine can have."""
INTERFACE: Rule = {"type": "string", "pattern": f"^{_ADDRESS}/{_PREFIX}$"}
"""Such an address with its prefix."""
RANGE: Rule = {"type": "string", "pattern": rf"^\s*{_ADDRESS}\s*(-\s*{_ADDRESS}\s*)?/\s*{_PREFIX}\s*$"}
"""Addresses of one network: '10.100.1.10-10.100.1.59/24', or a single one."""
SIZE: Rule = {
    "type": "string",
    "pattern": rf"^\s*0*[1-9][0-9]*\s*{_UNIT}\s*$",
    "description": "A size with its unit: '20 GiB', '512 MiB'.",
}
SIZE_OR_NONE: Rule = {
    "anyOf": [{"type": "integer", "const": 0}, {"type": "string", "pattern": rf"^\s*(0+|[0-9]+\s*{_UNIT})\s*$"}],
    "description": "A size with its unit; 0: no swap.",
}


def exactly_one(*keys: str) -> Rule:
    """Say that a table has one of these keys and no other of them."""
    return {"oneOf": [_has(key) for key in keys]}


def one_at_least(*keys: str) -> Rule:
    """Say that a table has one or more of these keys."""
    return {"anyOf": [_has(key) for key in keys]}


def not_both(one: str, other: str) -> Rule:
    """Say that a table has one of two keys, or neither."""
    return {"not": _has(one, other)}


def needs(key: str, *others: str) -> Rule:
    """Say that a table with a key has one of the others too."""
    return {"if": _has(key), "then": one_at_least(*others)}


def default_or_each(defaults: str, tables: str, key: str) -> Rule:
    """Say that a key is in the table of defaults, or else in each of the tables that they are for."""
    in_defaults = {**_has(defaults), "properties": {defaults: _has(key)}}
    in_each = {**_has(tables), "properties": {tables: {"type": "object", "additionalProperties": _has(key)}}}
    return {"anyOf": [in_defaults, in_each]}


def together(*rules: Rule) -> Rule:
    """Say several things of a table, none of which hides another."""
    return {"allOf": list(rules)}


def _has(*keys: str) -> Rule:
    """Say that a table has all of these keys, which strict validators want to be named where they are asked for."""
    return {"type": "object", "properties": {key: {} for key in keys}, "required": list(keys)}
