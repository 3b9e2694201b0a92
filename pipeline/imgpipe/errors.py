"""The errors a user sees; the class says who must act.

Raised deep, shown once, in `imgpipe.cli.main`. The message is one sentence with names in single quotes,
`hint` says what to do next, `details` are lines shown as they are (all faults of a file, a console's end).
None of them ever holds a secret: what came with a URL or a line of a file is taken out before anybody can log it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from imgpipe.disclosure import without_secrets


class ImgpipeError(Exception):
    """An expected failure; never raised itself, only its children are."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "", details: Iterable[str] = ()) -> None:
        super().__init__(without_secrets(message))
        self.hint = without_secrets(hint)
        self.details = tuple(without_secrets(line) for line in details)


class RecipeError(ImgpipeError):
    """The author of the recipe, the fleet or the command line must act."""

    exit_code = 2


class HostError(ImgpipeError):
    """The owner of the machine must act: a program, a service, room or a right is missing."""

    exit_code = 3


class GuestError(ImgpipeError):
    """The guest failed: its console says why."""

    exit_code = 4


class PluginError(ImgpipeError):
    """The author of a plugin must act."""

    exit_code = 5
