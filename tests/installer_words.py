"""What an installer's words come to: a family's console read line by line, down to the reason that is told."""

from dataclasses import replace

from imgpipe.machine_state import MachineState
from imgpipe.os_family import Console, Proof
from imgpipe.watch.classify import Classifier
from imgpipe.watch.silence import patience
from imgpipe.watch.verdict import Failure, Judge, Observation

PROOF = Proof(console="no such line", failure="", file="", content="")
RUNNING = MachineState(situation="running")


def judged(console: Console, text: str, *, log: str = "") -> tuple[str | None, list[float]]:
    """Return the reason for the failure that `text` on the console and `log` are, or None, and the per cents seen."""
    judge = Judge(0.0, Classifier(console, PROOF), patience("kvm"), reboots_allowed=True)
    percents, verdict = [], None
    for now, line in enumerate(f"{text}\n".splitlines(keepends=True)):
        seen = Observation(now=now / 100, state=RUNNING, console=line.encode(), log=f"{log}\n".encode())
        progress, verdict = judge.observe(seen)
        percents += [step.percent for step in progress]
        if verdict:
            break
    verdict = verdict or judge.observe(Observation(now=10.0, state=RUNNING))[1]
    assert verdict is None or isinstance(verdict, Failure)
    return verdict and verdict.reason, percents


def reason(console: Console, text: str, **more: str) -> str | None:
    """Return the reason alone."""
    return judged(console, text, **more)[0]


def patterns_needed(console: Console, text: str, **more: str) -> list[str]:
    """Return the patterns without which `text` comes to another reason."""
    told = reason(console, text, **more)
    return [
        trouble.pattern
        for number, trouble in enumerate(console.troubles)
        if reason(replace(console, troubles=console.troubles[:number] + console.troubles[number + 1 :]), text, **more)
        != told
    ]
