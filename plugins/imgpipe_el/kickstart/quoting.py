"""Putting values into a kickstart so that a value can never become a directive, a section or a command.

Anaconda reads a kickstart line by line: a line that begins with `%end`, `%include`, `%ksappend` or a section's name
means something wherever it stands, in scripts and here-documents too. So no value may begin a line with `%`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable

from imgpipe.errors import RecipeError

_PACKAGE = re.compile(r"(@\^?)?[A-Za-z0-9*][A-Za-z0-9*?+._:/-]*")
_DELIMITER = "IMGPIPE_END_OF_FILE"


class Quoted(str):
    """Text that is right as it stands: the templates quote everything else that they are given."""

    __slots__ = ()


def word(value: object) -> Quoted:
    """Quote `value` as one word of a command, for kickstart's shlex and for the shell alike.

    Raises RecipeError where it would break the line.
    """
    text = str(value)
    if text.splitlines() != [text] and text:
        raise RecipeError(
            f"The value {text!r} does not fit on one line of a kickstart.", hint="Take the line break out of it."
        )
    return Quoted(shlex.quote(text))


def quoted(value: object) -> Quoted:
    """Return `value` as it is where it is quoted already, else as one word."""
    return value if isinstance(value, Quoted) else word(value)


def joined(values: Iterable[object]) -> Quoted:
    """Quote `values` as one word, separated by commas."""
    return word(",".join(str(value) for value in values))


def option(name: str, value: object) -> Quoted:
    """Return `--name=value`, quoted."""
    return Quoted(f"--{name}={word(value)}")


def package(name: str) -> Quoted:
    """Return a name for a line of %packages as it is: no shell reads that section, so quotes would be part of it.

    Raises RecipeError where it would be two lines, a comment, or another kind of line.
    """
    if not _PACKAGE.fullmatch(name):
        raise RecipeError(
            f"{name!r} is no name of a package, a group ('@NAME') or an environment ('@^NAME').",
            hint="Correct guest.packages.",
        )
    return Quoted(name)


def here_document(lines: Iterable[str]) -> Quoted:
    """Return `lines` as a here-document in which the shell expands nothing.

    Raises RecipeError where a line would end the document or the kickstart's section.
    """
    lines = tuple(lines)
    for line in lines:
        if (line.splitlines() != [line] and line) or line.lstrip().startswith("%") or line == _DELIMITER:
            raise RecipeError(
                f"The line {line!r} would end the script that it stands in.",
                hint="Change the value in the recipe: no line of a file may begin with '%'.",
            )
    return Quoted("\n".join((f"<<'{_DELIMITER}'", *lines, _DELIMITER)))
