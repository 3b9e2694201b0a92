"""How debian-installer's lines are read: its markers as the pipeline's records."""

from __future__ import annotations

from imgpipe.os_family import Console, Phase, Trouble
from imgpipe_debian.markers import FAILURES, PROGRESS, QUESTIONS


def _reason(pattern: str) -> str:
    if pattern.startswith("^-"):
        return "The installer asks a question that the answers do not cover."
    return "The installer failed: {reason}." if "(?P<reason>" in pattern else "The installer failed."


CONSOLE = Console(
    phases=tuple(Phase(pattern=step.pattern, label=step.label.capitalize(), percent=step.percent) for step in PROGRESS),
    troubles=tuple(Trouble(pattern=pattern, reason=_reason(pattern)) for pattern in FAILURES),
    waiting=tuple(
        Trouble(pattern=pattern, reason="The installer asks a question that the answers do not cover.")
        for pattern in QUESTIONS
    ),
)
