"""The guest's report on itself. A guest is hostile: everything in it is bounded, parsed strictly and shown plainly."""

from __future__ import annotations

import base64
import binascii
import hashlib
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
_END = re.compile(r"end (?P<lines>\d{1,5}) (?P<digest>[0-9a-f]{64})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the guest told; checks that it was silent on have failed.

    `complete` says that it got to its end, and `whole` that all arrived which it says that it sent.
    """

    state: str
    facts: tuple[tuple[str, str], ...]
    results: tuple[CheckResult, ...]
    reported: int
    complete: bool
    whole: bool


def parse_report(data: bytes, checks: Sequence[Check]) -> Report:
    """Return what a whole report says."""
    reader = ReportReader(checks)
    reader.feed(data)
    return reader.report()


class ReportReader:
    """A report that comes in pieces: each line is looked at once, however many pieces there are.

    Lines that are none of a report's own are passed over, the first of each kind counts.
    """

    def __init__(self, checks: Sequence[Check]) -> None:
        self._checks = checks
        self._names = tuple(FACTS)
        self._rest = b""
        self._room = LONGEST_REPORT
        self._state = ""
        self._complete = False
        self._whole = False
        self._lines = 0
        self._digest = hashlib.sha256()
        self._facts: dict[str, str] = {}
        self._found: dict[int, CheckResult] = {}

    def feed(self, data: bytes) -> None:
        """Take more of it; what is beyond the longest report is dropped."""
        data = data[: self._room]
        self._room -= len(data)
        # What follows the last line break is a line still being written; of too long a one, its length is all.
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[: _LONGEST_LINE + 1]
        for line in lines:
            if len(line) <= _LONGEST_LINE:
                self._take(line.decode("ascii", "replace").rstrip("\r"))
            self._lines += 1
            self._digest.update(line + b"\n")

    def report(self) -> Report:
        """Return what was told so far."""
        silent = "the guest did not report on it"
        return Report(
            state=self._state,
            facts=tuple(self._facts.items()),
            results=tuple(
                self._found.get(index, CheckResult(name=check.name, passed=False, output=silent))
                for index, check in enumerate(self._checks)
            ),
            reported=len(self._found),
            complete=self._complete,
            whole=self._whole,
        )

    def _take(self, line: str) -> None:
        if (match := _FACT.fullmatch(line)) and int(match["index"]) < len(self._names):
            self._facts.setdefault(self._names[int(match["index"])], _text(match["text"]))
        elif (match := _CHECK.fullmatch(line)) and int(match["index"]) < len(self._checks):
            index = int(match["index"])
            if index not in self._found:
                self._found[index] = _result(self._checks[index], int(match["code"]), _text(match["text"]))
        elif match := _STATE.fullmatch(line):
            self._state = self._state or _text(match["text"])
        elif (match := _END.fullmatch(line)) and not self._complete:
            self._complete = True
            self._whole = (int(match["lines"]), match["digest"]) == (self._lines, self._digest.hexdigest())


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
