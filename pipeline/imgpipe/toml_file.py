"""TOML files of people: a regular file of bounded size, with numbers and nesting that the rest can work with."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from imgpipe.errors import RecipeError
from imgpipe.named_files import read_text

_MOST = 2**63
_DEEPEST = 100


def read_toml(path: Path, title: str) -> dict[str, Any]:
    """Return the table in a file; raises RecipeError with the reason, `title` says which file it is."""
    try:
        table = tomllib.loads(read_text(path))
    except RecursionError:
        reason = "it is nested too deeply"
    except OSError as error:
        reason = error.strerror or type(error).__name__
    except UnicodeDecodeError:
        reason = "it is no text in UTF-8"
    except tomllib.TOMLDecodeError as error:
        reason = str(error)
    except ValueError as error:
        # int() refuses numbers of thousands of digits, and says so in words of Python's.
        reason = "a number in it is too long" if "digits" in str(error) else str(error)
    else:
        reason = _excess(table)
        if not reason:
            return table
    raise RecipeError(f"{title} cannot be read: {reason}.")


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
