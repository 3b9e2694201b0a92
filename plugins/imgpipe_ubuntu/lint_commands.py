"""Lint of late-commands: what does nothing, or something else, when it runs in the installer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from imgpipe.os_family import Fault
from imgpipe_ubuntu.yaml_document import Path

_ENDS_THE_MACHINE = re.compile(r"(?:^|[;&|]\s*|\s--\s+|\bsystemctl\s+)(?:reboot|poweroff|halt|shutdown)\b(?![=:./])")
_PITFALLS = (
    (
        re.compile(r"\bsystemctl\s+(?:--\S+\s+)*(?:start|restart|stop|reload)\b|\bservice\s+\S+\s+(?:re)?start\b"),
        "Services cannot be started in the target, as it is not running; 'systemctl enable' is enough.",
    ),
    (
        re.compile(r"\bsysctl\s+(?:-p|--load|--system|-w|--write)"),
        "It changes the installer's kernel; a file in /target/etc/sysctl.d is enough.",
    ),
    (
        re.compile(r"\b(?:timedatectl|hostnamectl|localectl)\s+set-"),
        "It talks to the installer's own system and leaves the target as it is.",
    ),
)
_APT = re.compile(r"\bapt(?:-get)?\s[^;&|]*\b(?:install|purge|remove|upgrade)\b[^;&|]*")
_APT_ANSWER = re.compile(r"\s(?:-[a-z]*y[a-z]*|--yes|--assume-yes)\b")
_ETC = re.compile(r"(?:>{1,2}\s*|\btee\s+(?:-a\s+)?|\bsed\s+(?:-\S+\s+)*-i\b[^;&|]*\s)/etc/")
_IN_TARGET = re.compile(r"\bin-target\b|\bchroot\b")


def lint_commands(commands: object, line: Callable[[Path], int]) -> Iterator[Fault]:
    """Yield the faults of a list of commands; `line` says where one of them is."""
    for number, command in enumerate(commands if isinstance(commands, list) else []):
        text = _text(command)
        where = line((number,))
        if _ENDS_THE_MACHINE.search(text):
            yield Fault(line=where, text="It ends the machine too early; 'shutdown: poweroff' does it in the end.")
        for reason in _reasons(text):
            yield Fault(line=where, text=reason, severity="warning")


def _reasons(text: str) -> Iterator[str]:
    yield from (reason for pattern, reason in _PITFALLS if pattern.search(text))
    if any(not _APT_ANSWER.search(call[0]) for call in _APT.finditer(text)):
        yield "apt-get asks without '--yes', and nobody answers."
    if _ETC.search(text) and not _IN_TARGET.search(text):
        yield "It writes to the installer's own /etc; the target's is /target/etc."


def _text(command: object) -> str:
    if isinstance(command, list):
        return " ".join(word for word in command if isinstance(word, str))
    return command if isinstance(command, str) else ""
