"""What a check found: how it is, what that means, and what mends it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

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


def failures(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return what would stop a build or a deploy."""
    return tuple(finding for finding in findings if finding.state == "fail")
