"""The guest's report on itself. A guest is hostile: everything in it is bounded, parsed strictly and shown plainly."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass

from imgpipe.artifacts import CheckResult
from imgpipe.os_family import Check
from imgpipe.stages.verify_guest import FACTS
from imgpipe.watch.console import plain

LONGEST_REPORT = 8 * 2**20
_LONGEST_LINE = 32 * 1024
_BASE64 = r"(?P<text>[A-Za-z0-9+/=]*)"
_FACT = re.compile(rf"fact (?P<index>\d{{4}}) {_BASE64}")
_CHECK = re.compile(rf"check (?P<index>\d{{4}}) (?P<code>\d{{1,3}}) {_BASE64}")
_STATE = re.compile(rf"state {_BASE64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the guest told; `complete` says that it got to its end. Checks it was silent on have failed."""

    state: str
    facts: tuple[tuple[str, str], ...]
    results: tuple[CheckResult, ...]
    reported: int
    complete: bool


def parse_report(data: bytes, checks: Sequence[Check]) -> Report:
    """Return what a report says; lines that are none of its own are passed over, the first of each kind counts."""
    names = tuple(FACTS)
    state, complete = "", False
    facts: dict[str, str] = {}
    found: dict[int, CheckResult] = {}
    # What follows the last line break is a line still being written.
    for raw in data[:LONGEST_REPORT].split(b"\n")[:-1]:
        line = raw.decode("ascii", "replace").rstrip("\r") if len(raw) <= _LONGEST_LINE else ""
        if (match := _FACT.fullmatch(line)) and int(match["index"]) < len(names):
            facts.setdefault(names[int(match["index"])], _text(match["text"]))
        elif (match := _CHECK.fullmatch(line)) and int(match["index"]) < len(checks):
            index = int(match["index"])
            found.setdefault(index, _result(checks[index], int(match["code"]), _text(match["text"])))
        elif match := _STATE.fullmatch(line):
            state = state or _text(match["text"])
        complete = complete or line == "end"
    silent = "the guest did not report on it"
    return Report(
        state=state,
        facts=tuple(facts.items()),
        results=tuple(
            found.get(index, CheckResult(name=check.name, passed=False, output=silent))
            for index, check in enumerate(checks)
        ),
        reported=len(found),
        complete=complete,
    )


def _result(check: Check, code: int, output: str) -> CheckResult:
    # timeout(1) exits with 124, or 137 where it had to kill.
    if code in {124, 137}:
        output = f"{output}\nit did not end in time".strip()
    return CheckResult(name=check.name, passed=code == 0, output=output)


def _text(encoded: str) -> str:
    try:
        text = base64.b64decode(encoded, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""
    lines = (plain(line) for line in text.splitlines())
    return "\n".join(line for line in lines if line)
