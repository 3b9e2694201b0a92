"""TOML files of people: a regular file of bounded size, with numbers and nesting that the rest can work with."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from imgpipe.errors import RecipeError
from imgpipe.named_files import read_text

SCHEMA_KEY = "$schema"
"""A key at the top of a file that tells editors where its JSON Schema is; it is no part of what the file says."""

_SCHEMA_WITHOUT_QUOTES = re.compile(r"^\s*\$schema\s*=", re.MULTILINE)
_QUOTED = "A key with '$' is written in quotes, \"$schema\" = ...; or say it in a comment: '#:schema PATH'."
_MOST = 2**63
_LINE = re.compile(r"\(at line ([0-9]+), column [0-9]+\)")
_HOW = 'Text stands in quotes and a key has one value: os = "rocky9"; tables begin with [name].'
# What Python's parser says, for people who write no parsers.
_PLAIN = {
    "Invalid value": "what stands behind '=' is no value (text needs quotes)",
    "Cannot overwrite a value": "a key stands there twice",
    "Expected '=' after a key in a key/value pair": "'=' is missing behind a key",
    "Expected newline or end of document after a statement": "a line has more than one value",
    "Unterminated string": "a quote is not closed",
    "Illegal character '\\n'": "a quote is not closed",
    "Unclosed array": "a list is not closed",
    "Invalid statement": "a line is no 'key = value'",
    "Unclosed inline table": "a '{' is not closed",
}
_DEEPEST = 100


def read_toml(path: Path, title: str) -> dict[str, Any]:
    """Return the table in a file, without its "$schema"; raises RecipeError with the reason.

    `title` says which file it is.
    """
    text = hint = ""
    try:
        text = read_text(path)
        table = tomllib.loads(text)
    except RecursionError:
        reason = "it is nested too deeply"
    except OSError as error:
        reason = error.strerror or type(error).__name__
    except UnicodeDecodeError:
        reason = "it is no text in UTF-8"
    except tomllib.TOMLDecodeError as error:
        reason = f"it is no TOML: {_PLAIN.get(_about(error), _about(error))}{_place(error)}"
        hint = _QUOTED if _SCHEMA_WITHOUT_QUOTES.search(text) else _HOW
    except ValueError as error:
        # int() refuses numbers of thousands of digits, and says so in words of Python's.
        reason = "a number in it is too long" if "digits" in str(error) else str(error)
    else:
        reason = _excess(table)
        if not reason:
            return _without_schema(table)
    raise RecipeError(f"{title} cannot be read: {reason}.", hint=hint)


def _without_schema(table: dict[str, Any]) -> dict[str, Any]:
    """Return a table without what it tells editors; a "$schema" that is no text is a key like others."""
    return {key: value for key, value in table.items() if key != SCHEMA_KEY or not isinstance(value, str)}


def _about(error: tomllib.TOMLDecodeError) -> str:
    """Return what the parser says without the place."""
    return str(error).partition(" (at ")[0]


def _place(error: tomllib.TOMLDecodeError) -> str:
    """Return ', line 3' where the parser says where it was."""
    found = _LINE.search(str(error))
    return f", line {found[1]}" if found else ", at its end"


def _excess(table: dict[str, Any]) -> str:
    """Return what is too much: TOML has integers of 64 bits, and what comes after walks tables by recursion."""
    waiting: list[tuple[object, int]] = [(table, 1)]
    while waiting:
        value, depth = waiting.pop()
        if depth > _DEEPEST:
            return "it is nested too deeply"
        if isinstance(value, int) and not -_MOST <= value < _MOST:
            return "a number in it is too long"
        if isinstance(value, dict):
            waiting += ((one, depth + 1) for one in value.values())
        elif isinstance(value, list):
            waiting += ((one, depth + 1) for one in value)
    return ""
