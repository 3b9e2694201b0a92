"""What a check found: how it is, what that means, and what mends it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from imgpipe.errors import ImgpipeError

_COMMAND = re.compile(r"\b[Rr]un '([^']+)'")
State = Literal["ok", "warn", "fail", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    `fail` stops a build or a deploy; `warn` makes it slower, or stops only some; `unknown` could not be told.
    `meaning` is a sentence; `commands` are what to type, in order; `repairs` are commands that change nothing which
    somebody may want as it is, as lists: doctor may run them itself.
    """

    name: str
    state: State
    meaning: str
    commands: tuple[str, ...] = ()
    repairs: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """Something to look at; `find` may raise HostError, and runs beside the others."""

    name: str
    find: Callable[[], Iterable[Finding]]


def of_error(name: str, state: State, error: ImgpipeError) -> Finding:
    """Return an error as a finding; the commands are those that its hint says to run."""
    words = " ".join(filter(None, (str(error), *error.details[-2:], error.hint)))
    return Finding(name=name, state=state, meaning=words, commands=tuple(_COMMAND.findall(error.hint or "")))


def failures(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return what would stop a build or a deploy."""
    return tuple(finding for finding in findings if finding.state == "fail")
