"""What is offered to a shell that completes a word: nothing in it may mean anything to the shell.

zsh evaluates the words of an answer, bash puts them on the command line as they are, and names of files, images and
machines may be anybody's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# Not at the start: '-' is an option, '~' and '=' are expanded. Nowhere: blanks, quotes, '\', '$', '*' and their kin.
_HARMLESS = re.compile(r"[\w./][\w./@%+=:,-]*")


def offered(names: Iterable[str], incomplete: str) -> list[str]:
    """Return the names that begin with `incomplete`; those that a shell would not take as they are, are left out."""
    return [name for name in names if name.startswith(incomplete) and _HARMLESS.fullmatch(name)]
