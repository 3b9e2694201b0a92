"""What goes wrong in commands that an installer runs at its end, beside the installed system in /target.

Debian's installer and Ubuntu's have such commands: `in-target` and `curtin in-target --` run one in the system.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from imgpipe.os_family import Fault
from imgpipe.shell_scripts import ShellCommand, shell_commands

_WAYS = (
    ("curtin", "in-target", "--"),
    ("curtin", "in-target", "--target=/target", "--"),
    ("curtin", "in-target", "--target", "/target", "--"),
    ("curtin", "in-target", "-t", "/target", "--"),
    ("in-target",),
    ("chroot", "/target"),
)
_ENDS = re.compile(
    r"(systemctl\s+(-\S+\s+)*)?(reboot|poweroff|halt)(\s+-\S+)*$|shutdown(?!\s+-c)(\s|$)|(init|telinit)\s+[06]$"
)
_SERVICE = re.compile(
    r"systemctl\s+(-\S+\s+)*(start|restart|stop|reload)(\s|$)|systemctl\s.*\s--now(\s|$)|service\s+\S+\s+(re)?start$"
)
_SYSCTL = re.compile(r"sysctl\s+(.*\s)?(-p|--load|--system|-w|--write)")
_SETTERS = re.compile(r"(timedatectl|hostnamectl|localectl)\s+set-")
_ANSWERED = r"(-[a-z]*y[a-z]*|--yes|--assume-yes|-qq|--force-yes)"
_APT = re.compile(rf"apt(-get)?\s(?!(.*\s)?{_ANSWERED}(\s|$))(.*\s)?(install|purge|upgrade|remove)(\s|$)")
_IN_PLACE = re.compile(r"sed\s+(.*\s)?(-\w*i|--in-place)\S*\s.*\s/etc/\S+$|tee\s+(-\S+\s+)*/etc/")


def late_command_faults(script: str, instead: str) -> Iterator[Fault]:
    """Yield the faults of a script, each with its line in it; `instead` ends the machine at the right time."""
    for command in shell_commands(script):
        inner = command
        for way in _WAYS:
            inner = inner.after(*way)
        inside = _is_way_in(inner.within)
        if _ENDS.match(inner.text):
            text = f"It ends the machine too early; {instead} does it in the end."
            # In a chroot, systemd's own programs ignore it.
            certain = command.certain and not inside
            yield Fault(line=command.line, text=text, severity="error" if certain else "warning")
        for text in _pitfalls(inner, inside):
            yield Fault(line=command.line, text=text, severity="warning")


def _is_way_in(words: tuple[str, ...]) -> bool:
    return any(words[: len(way)] == way for way in _WAYS)


def _pitfalls(command: ShellCommand, inside: bool) -> Iterator[str]:
    text = command.text
    if inside and _SERVICE.match(text):
        yield "Services cannot be started in the target, as it is not running; 'systemctl enable' is enough."
    if _SYSCTL.match(text):
        yield "It changes the installer's kernel; a file in /target/etc/sysctl.d is enough."
    if _SETTERS.match(text):
        yield "It talks to the installer's own system and leaves the target as it is."
    if inside and _APT.match(text):
        yield "apt-get asks without '--yes', and nobody answers."
    if not inside and (_IN_PLACE.match(text) or any(path.startswith("/etc/") for path in command.writes)):
        yield "It writes to the installer's own /etc; the target's is /target/etc."
