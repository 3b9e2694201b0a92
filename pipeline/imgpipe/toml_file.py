"""TOML files of people: a regular file of bounded size, with numbers and nesting that the rest can work with."""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path
from typing import Any

from imgpipe.errors import RecipeError
from imgpipe.sizes import MIB, show_bytes

_LONGEST = MIB
_MOST = 2**63
_DEEPEST = 100


def read_toml(path: Path, title: str) -> dict[str, Any]:
    """Return the table in a file; raises RecipeError with the reason, `title` says which file it is."""
    try:
        table = tomllib.loads(_text(path))
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


def _text(path: Path) -> str:
    """Return what a file holds; nobody is waited for who writes to a pipe."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is no regular file")
        data = file.read(_LONGEST + 1)
    if len(data) > _LONGEST:
        raise ValueError(f"it is larger than {show_bytes(_LONGEST)}")
    return data.decode()


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
