"""What is wrong with a file, in words that say what to write: pydantic's own sentences are for programmers.

A fault is told with its key and never with its value, which may be a secret.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import ErrorDetails

_SHOWN = 5
_ODD = "is not what belongs here"
_LIST = 'must be a list, such as ["..."]'
_TABLE = "must be a table, such as {key = ...}"
_NUMBER = "must be a whole number"
_TEXT = 'must be text, in quotes: "..."'

# Other programs' words for keys of ours, the likeliest first.
_ALSO: Mapping[str, tuple[str, ...]] = {
    "cpu": ("cpus",), "vcpu": ("cpus",), "vcpus": ("cpus",), "cores": ("cpus",), "ram": ("memory",),
    "mem": ("memory",), "size": ("disk",), "address": ("addresses",), "addresses": ("address",),
    "ip": ("addresses", "address"), "nic": ("nics",), "key": ("keys",), "image": ("template",), "host": ("hostname",),
    "nameservers": ("dns",), "router": ("gateway",), "number": ("count",), "passwd": ("password",), "iso": ("file",),
    "rootpw": ("password",), "root_password": ("password",), "user": ("users",), "package": ("packages",),
    "ks": ("answer_file",), "kickstart": ("answer_file",), "preseed": ("answer_file",),
}  # fmt: skip
_DEEPEST = 3
"""Tables within tables that a misplaced key is looked for in."""

_WORDS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "missing": lambda _: "is missing",
    "string_type": lambda _: _TEXT,
    "int_type": lambda _: _NUMBER,
    "int_parsing": lambda _: _NUMBER,
    "int_parsing_size": lambda _: "is too large a number",
    "int_from_float": lambda _: _NUMBER,
    "float_type": lambda _: "must be a number",
    "float_parsing": lambda _: "must be a number",
    "bool_type": lambda _: "must be true or false",
    "bool_parsing": lambda _: "must be true or false",
    "literal_error": lambda told: f"must be {told['expected']}",
    "enum": lambda told: f"must be {told['expected']}",
    "greater_than": lambda told: f"must be more than {told['gt']}",
    "greater_than_equal": lambda told: f"must be at least {told['ge']}",
    "less_than": lambda told: f"must be less than {told['lt']}",
    "less_than_equal": lambda told: f"must be at most {told['le']}",
    "too_short": lambda told: f"needs at least {told['min_length']}" if told.get("actual_length") else "is empty",
    "too_long": lambda told: f"may have at most {told['max_length']}",
    "string_too_short": lambda told: f"needs at least {told['min_length']} characters",
    "string_too_long": lambda told: f"may have at most {told['max_length']} characters",
    "tuple_type": lambda _: _LIST,
    "list_type": lambda _: _LIST,
    "dict_type": lambda _: _TABLE,
    "mapping_type": lambda _: _TABLE,
    "model_type": lambda _: _TABLE,
    "model_attributes_type": lambda _: _TABLE,
    "json_invalid": lambda _: "is damaged: it is no JSON",
    "invalid_key": lambda _: "is no key: keys are text",
    "ip_v4_address": lambda _: "must be an IPv4 address, such as '10.100.1.10'",
    "ip_v4_interface": lambda _: "must be an IPv4 address with its prefix, such as '10.100.1.10/24'",
    "ip_v4_network": lambda _: "must be an IPv4 network, such as '10.100.1.0/24'",
}


def spelled(rule: str) -> WrapValidator:
    """Return what tells `rule` ('is letters and digits') where a text is not of the pattern that it is annotated with.

    It stands behind the pattern in the same annotation, so that rule and pattern are read together.
    """

    def check(value: object, handler: ValidatorFunctionWrapHandler) -> object:
        try:
            return handler(value)
        except ValidationError as error:
            kinds = {fault["type"] for fault in error.errors(include_input=False, include_url=False)}
            if not isinstance(value, str) or not kinds <= {"string_pattern_mismatch", "string_too_long"}:
                raise
            raise ValueError(rule) from None

    return WrapValidator(check)


def faults(error: ValidationError, kind: type[BaseModel] | None = None) -> tuple[str, ...]:
    """Return 'machine.memory: must be a size ...' for every fault; `kind` is the type that was asked for."""
    found = error.errors(include_input=False, include_url=False)
    # A list of which every item is wrong is not empty, though no item is left.
    places = {fault["loc"][:length] for fault in found for length in range(len(fault["loc"]))}
    told = (_fault(fault, kind) for fault in found if fault["type"] != "too_short" or fault["loc"] not in places)
    return tuple(dict.fromkeys(told))


def reason(error: OSError | ValidationError) -> str:
    """Return why a record of imgpipe's own cannot be read, as the end of a sentence."""
    if isinstance(error, OSError):
        return error.strerror or "the host refused it"
    return "; ".join(faults(error)[:_SHOWN])


def sentence(kind: str, context: Mapping[str, Any], message: str = "") -> str:
    """Return what an error of pydantic's means, as the end of a sentence about a key."""
    if kind in {"value_error", "assertion_error"}:
        return message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return _WORDS[kind](context) if kind in _WORDS else _ODD


def _fault(fault: ErrorDetails, kind: type[BaseModel] | None) -> str:
    place = tuple(part for part in fault["loc"] if not _is_pydantics(part))
    key = ".".join(map(str, place)) or "(the file)"
    if fault["type"] == "extra_forbidden":
        return f"{key}: {_unknown(place, kind)}"
    if fault["type"] in {"model_type", "model_attributes_type", "dict_type", "mapping_type"}:
        return f"{key}: {_no_table(place, kind)}"
    return f"{key}: {sentence(fault['type'], fault.get('ctx', {}), fault['msg'])}"


def _is_pydantics(part: str | int) -> bool:
    """Say whether a part of a place is no key, but a branch of a union or a step of pydantic's own."""
    return isinstance(part, str) and (part == "[key]" or "[" in part or part in {"str", "int", "constrained-str"})


def _unknown(place: tuple[str | int, ...], kind: type[BaseModel] | None) -> str:
    """Return what is said of a key that is not known: the key that was most likely meant."""
    word, table = str(place[-1]), _table_at(kind, place[:-1])
    if table is None:
        return "is no key that is known here"
    keys = tuple(table.model_fields)
    meant = (word, *_ALSO.get(word, ()))
    for name in meant:
        if name in keys:
            return f"is no key; did you mean '{name}'?"
        if inside := _inside(table, name):
            return f"is no key here; did you mean {inside}?"
    if near := difflib.get_close_matches(word, keys, n=1):
        return f"is no key; did you mean '{near[0]}'?"
    return f"is no key; there are {', '.join(keys)}" if keys else "is no key: nothing can be set here"


def _inside(table: type[BaseModel], word: str) -> str:
    """Return where in the tables below the key `word` is, the nearest first; empty if it is in none."""
    level: list[tuple[str, type[BaseModel], str]] = [("", table, "")]
    for _ in range(_DEEPEST):
        below = [
            (f"{path}{name}.", inner, name if _is_repeated(owner, name) else repeated)
            for path, owner, repeated in level
            for name, inner in _tables_in(owner)
        ]
        # What is in one table is meant rather than what is in each of several.
        for path, owner, repeated in sorted(below, key=lambda found: bool(found[2])):
            if word in owner.model_fields:
                return f"'{word}' in each of '{repeated}'" if repeated else f"'{path}{word}'"
        level = below
    return ""


def _is_repeated(table: type[BaseModel], name: str) -> bool:
    """Say whether a key holds tables, in a list or by names of their own, and not one table."""
    return any(get_origin(part) in {tuple, list, dict} for part in _parts(table.model_fields[name].annotation))


def _parts(annotation: object) -> Iterator[object]:
    yield annotation
    for part in get_args(annotation):
        yield from _parts(part)


def _no_table(place: tuple[str | int, ...], kind: type[BaseModel] | None) -> str:
    """Return what is said of a value that stands where a table must: how that is written, with its keys."""
    key, owner = str(place[-1]) if place else "", _table_at(kind, place[:-1])
    table = _table_at(kind, place)
    if owner is None or table is None or not table.model_fields:
        return _TABLE
    if key in owner.model_fields and _is_repeated(owner, key):
        return f"must be tables, each with a name of its own: [{'.'.join(map(str, place))}.NAME]"
    fields = sorted(table.model_fields, key=lambda name: not table.model_fields[name].is_required())
    said = f"must be a table, such as {{{fields[0]} = ...}}; there are {', '.join(fields)}"
    elsewhere = next(
        (name for name, other in _tables_in(owner) if other is not table and key in other.model_fields), ""
    )
    return f"{said}; did you mean '{elsewhere}.{key}'?" if elsewhere else said


def _table_at(kind: type[BaseModel] | None, place: tuple[str | int, ...]) -> type[BaseModel] | None:
    """Return the type of the table at a place of a file."""
    found = kind
    for part in place:
        if found is None:
            return None
        field = found.model_fields.get(str(part))
        # What is no field is the key of a dictionary or the index of a list, whose type was found at the field.
        if field is not None:
            found = next(_tables_of(field.annotation), None)
    return found


def _tables_in(table: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    for name, field in table.model_fields.items():
        yield from ((name, found) for found in _tables_of(field.annotation))


def _tables_of(annotation: object) -> Iterator[type[BaseModel]]:
    """Yield the tables in an annotation: of itself, of a list's items, of a dictionary's values, of a union."""
    if isinstance(annotation, type) and get_origin(annotation) is None and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _tables_of(part)
