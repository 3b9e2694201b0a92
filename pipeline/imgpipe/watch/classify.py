"""What one line of an installer means, by its system's Console record."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from imgpipe.os_family import Console, Phase, Proof, Trouble
from imgpipe.watch.console import plain

Source = Literal["console", "log"]

_WIDTH = 80
"""Of the serial terminal: a line this long is one that a full-screen program has cut."""

_LINES_BEFORE = 3
"""How far back a line is looked for that gives the next ones their meaning: installers print an error in one go."""

_KERNEL_MESSAGE = re.compile(r"\[ *\d+\.\d+\]")

_KERNEL_HANGS = re.compile(
    r"INFO: task .{1,80} blocked for more than \d+ seconds|rcu: INFO: rcu_\w+ .{0,20}detected stall"
)
"""The kernel's own watchdogs. On a slow host they bark at healthy guests too, so that alone is no failure."""

_LATE_DEVICES = re.compile(
    r"Timed out waiting for device (?:\S+ - (?=/))?(?P<systemd>\S+)"
    r"|Job (?P<job>\S+\.device)/start timed out"
    r"|ALERT! +(?P<initramfs>\S+) does not exist"
    r"|dracut-initqueue.{0,20}: (Warning: )?Could not boot|Warning: (?P<dracut>/dev/\S+) does not exist"
)
"""What boots say of a device that did not appear in the time that was given it. It may be one that is not needed."""

_KERNEL_TROUBLES = (
    Trouble(pattern=r"Kernel panic - not syncing: (?P<why>.{0,200})", reason="The guest's kernel panicked: {why}"),
    Trouble(
        pattern=r"Fatal glibc error: CPU does not support (?P<level>[\w-]{1,20})",
        reason="The machine's CPU model lacks what the system is built for ({level}).",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """The line means progress; `percent` is of the whole installation, `creeps_to` where lines without count lead."""

    label: str
    percent: float
    done: int | None = None
    total: int | None = None
    creeps_to: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The line means failure; a `general` one does not say why."""

    reason: str
    line: str
    general: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The line is a question, which is failure if it stays the last one."""

    reason: str
    line: str


@dataclass(frozen=True, slots=True)
class Proven:
    """The line is the proof that the answer file's last act was reached."""


Meaning = Reached | Failed | Asked | Proven


class Classifier:
    """Reads lines one by one; remembers the few before, one of which a narrow terminal may have cut."""

    def __init__(self, console: Console, proof: Proof) -> None:
        self._proof = proof
        self._benign = [re.compile(pattern) for pattern in console.benign]
        self._phases = [(re.compile(phase.pattern), phase) for phase in console.phases]
        self._troubles = _compiled((*console.troubles, *_KERNEL_TROUBLES))
        self._waiting = _compiled(console.waiting)
        self._before: dict[Source, deque[str]] = {
            "console": deque(maxlen=_LINES_BEFORE),
            "log": deque(maxlen=_LINES_BEFORE),
        }

    def read(self, line: str, source: Source = "console") -> Meaning | None:
        """Return what a complete line means; None for one that means nothing."""
        before: tuple[str, ...] = ()
        if not self.is_kernel_message(line):
            before = tuple(self._before[source])
            self._before[source].append(line)
        found = self._meaning(line, source, before)
        if found is None and before and len(before[-1]) == _WIDTH:
            found = self._meaning(before[-1] + line, source, before[:-1])
        if isinstance(found, Failed) and len(line) == _WIDTH:
            # The terminal cut it, and the rest of what it says is in the next one.
            found = replace(found, general=True)
        return found

    def peek(self, line: str) -> Asked | Failed | None:
        """Return the question or the failure in an unfinished line: a prompt does not end in a line break."""
        meaning = self._meaning(line, "console") if line else None
        return meaning if isinstance(meaning, Asked | Failed) else None

    def is_kernel_message(self, line: str) -> bool:
        """Say whether the kernel printed this line, which it does whatever else goes on."""
        return _KERNEL_MESSAGE.match(line) is not None

    def tells_of_a_hang(self, line: str) -> bool:
        """Say whether the kernel complains here that something in it does not go on."""
        return self.is_kernel_message(line) and _KERNEL_HANGS.search(line) is not None

    def late_device(self, line: str) -> str | None:
        """Return the device that the line says did not appear in time, shortened; '' for one without a name."""
        if not (match := _LATE_DEVICES.search(line)):
            return None
        found = next((text for text in match.groupdict().values() if text), "").rstrip(".")
        if found.startswith("dev-"):
            found = _path_of_unit(found.removesuffix(".device"))
        return found[:120]

    def _meaning(self, line: str, source: Source, before: tuple[str, ...] = ()) -> Meaning | None:
        if source == "console" and line == self._proof.console:
            return Proven()
        if self._proof.failure and self._proof.failure in line:
            return Failed(reason="The answer file's own failure mark was reached.", line=line, general=True)
        if any(pattern.search(line) for pattern in self._benign):
            return None
        for known in self._troubles:
            if (groups := known.groups(line, before)) is not None:
                return Failed(reason=_filled(known.of.reason, groups), line=line, general=known.of.general)
        for known in self._waiting:
            if (groups := known.groups(line, before)) is not None:
                return Asked(reason=_filled(known.of.reason, groups), line=line)
        return self._phase(line)

    def _phase(self, line: str) -> Reached | None:
        for pattern, phase in self._phases:
            if match := pattern.search(line):
                return _reached(phase, match)
        return None


def _path_of_unit(name: str) -> str:
    """Return the path that systemd made a device unit's name of (systemd.unit(5), "String escaping")."""
    path = "/" + name.replace("-", "/")
    return plain(re.sub(r"\\x([0-9a-f]{2})", lambda code: chr(int(code[1], 16)), path))


class _Known:
    """A trouble with its patterns compiled."""

    def __init__(self, trouble: Trouble) -> None:
        self.of = trouble
        self._line = re.compile(trouble.pattern)
        self._after = re.compile(trouble.after)

    def groups(self, line: str, before: tuple[str, ...]) -> Mapping[str, str] | None:
        """Return the named groups where `line`, and one of the lines before it if there must be one, match."""
        if not (match := self._line.search(line)):
            return None
        if not self.of.after:
            return match.groupdict(default="")
        context = next(filter(None, (self._after.search(earlier) for earlier in reversed(before))), None)
        return None if context is None else {**context.groupdict(default=""), **match.groupdict(default="")}


def _compiled(troubles: Iterable[Trouble]) -> list[_Known]:
    return [_Known(trouble) for trouble in troubles]


def _reached(phase: Phase, match: re.Match[str]) -> Reached:
    groups = match.groupdict()
    done, total = _number(groups.get("done")), _number(groups.get("total"))
    if done is None or not total:
        return Reached(label=phase.label, percent=phase.percent, creeps_to=phase.until if phase.creeps else None)
    until = phase.percent if phase.until is None else phase.until
    share = min(done / total, 1.0)
    percent = phase.percent + (until - phase.percent) * share
    return Reached(label=phase.label, percent=percent, done=done, total=total)


def _number(text: str | None) -> int | None:
    """Return a count that a guest printed; None for one too long to be true."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 12 else None


def _filled(reason: str, groups: Mapping[str, str]) -> str:
    """Put the pattern's named groups into the sentence: '{name}' stands for what the group matched."""
    return re.sub(r"\{(\w+)\}", lambda name: groups.get(name[1], name[0])[:200], reason)
