"""Commands in %post that do nothing, or do it to the installer instead of the installed system.

%post runs in a chroot of the target, with the installer's /dev, /proc, /sys and /run: what talks to a daemon or to
the kernel talks to the installer's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from imgpipe.os_family import Fault
from imgpipe_el.kickstart.sysctl import removal
from imgpipe_el.lint.source import Kickstart, Section
from imgpipe_el.release import Release


class _Trap(NamedTuple):
    """A command by pattern, and what is to be said of it."""

    pattern: str
    text: str
    severity: Literal["error", "warning"] = "warning"


_TRAPS = (
    _Trap(
        r"systemctl\s+(-\S+\s+)*(poweroff|reboot|halt)\b|(poweroff|reboot|halt|shutdown)\b|init\s+[06]\b",
        "This ends the installer before it has finished the disk: use the command 'poweroff' outside the script.",
        "error",
    ),
    _Trap(
        r"systemctl\s+(-\S+\s+)*(start|stop|restart|reload|try-restart|reload-or-restart|daemon-reload|isolate)\b"
        r"|systemctl\b.*\s--now\b|service\s+\S+\s+(start|stop|restart|reload)\b",
        "systemd does not run in the chroot, so this is ignored: 'systemctl enable' or 'services --enabled=' "
        "take effect at the first boot.",
    ),
    _Trap(
        r"timedatectl\b",
        "timedatectl talks to the installer, if to anything: use 'timezone --utc' outside the script.",
    ),
    _Trap(r"hostnamectl\b|hostname\s+\S", "This names the installer: use 'network --hostname='."),
    _Trap(r"localectl\b", "localectl talks to the installer: use 'lang' and 'keyboard'."),
    _Trap(r"nmcli\b|nmtui\b", "NetworkManager is the installer's: use 'network', or write a keyfile."),
    _Trap(
        r"ip\s+(-\S+\s+)*(addr(ess)?|link|route|rule)\s+(add|set|del(ete)?|replace)\b|ifup\b|ifdown\b|ifconfig\s+\S+\s+\S",
        "This changes the installer's network: use 'network'.",
    ),
    _Trap(
        r"sysctl\b.*\s(--system|--load|--write|-p\S*|-w)(\s|$|=)|sysctl\s+\S+=",
        "This changes the installer's kernel, and fails on an unknown key: only write /etc/sysctl.d/*.conf.",
    ),
    _Trap(r".*>\s*/proc/sys/", "This changes the installer's kernel: write /etc/sysctl.d/*.conf."),
    _Trap(r"setenforce\b", "This is the installer's SELinux: use 'selinux'."),
    _Trap(r"setsebool\b(?!.*\s-P)", "Without '-P' this changes nothing in the installed system."),
    _Trap(r"firewall-cmd\b", "firewalld does not run in the chroot: use 'firewall', or 'firewall-offline-cmd'."),
    _Trap(r"modprobe\b", "This loads the module into the installer's kernel: write /etc/modules-load.d/*.conf."),
    _Trap(r"(dnf|yum|microdnf)\s+(-\S+\s+)*(install|update|upgrade)\b", "This needs a network: use '%packages'."),
    _Trap(
        r"chpasswd\b(?!.*\s(-e|--encrypted)\b)|passwd\b.*\s--stdin\b",
        "The password is in plain text: use 'rootpw --iscrypted' or 'user --iscrypted'.",
    ),
)
_SSHD = _Trap(
    r"(sed|augtool)\b.*sshd_config(?!\.d)|.*>>\s*/etc/ssh/sshd_config(?!\.d)",
    "A file of /etc/ssh/sshd_config.d is read first, and sshd keeps the first value: "
    "write /etc/ssh/sshd_config.d/00-NAME.conf instead.",
)
_SEPARATOR = re.compile(r"&&|\|\||[;|&]|\$\(|`|\b(?:then|do|else)\b")
_PREFIX = re.compile(r"^(?:(?:if|elif|while|until|!|\(|\{|sudo|exec|command|env|nohup|[A-Za-z_]\w*=\S*)\s+)+")
_PATH = re.compile(r"^(?:/usr)?/s?bin/")
_HERE_DOCUMENT = re.compile(r"(?<!<)<<-?\s*(?:\\)?(['\"]?)(\w+)\1")
_KEY = re.compile(r"(?<![\w./-])(?:net|kernel|vm|fs)(?:[./][\w-]+)+")


def script_faults(kickstart: Kickstart, release: Release) -> Iterator[Fault]:
    """Yield what the scripts get wrong."""
    traps = (*_TRAPS, _SSHD) if release.sshd_drop_ins else _TRAPS
    for section in kickstart.sections:
        if section.is_script:
            yield from _removed_settings(section, release)
        if section.name == "%post":
            for number, line in _shell_lines(section):
                yield from _trapped(number, line, traps)


def _trapped(number: int, line: str, traps: tuple[_Trap, ...]) -> Iterator[Fault]:
    said = set()
    for command in _commands(line):
        for trap in traps:
            if trap.text not in said and re.match(trap.pattern, command):
                said.add(trap.text)
                yield Fault(line=number, text=trap.text, severity=trap.severity)


def _commands(line: str) -> Iterator[str]:
    """Yield the simple commands of a shell line, roughly: without prefixes, paths and what is quoted away."""
    for part in _SEPARATOR.split(line):
        command = _PATH.sub("", _PREFIX.sub("", part.strip()))
        if command:
            yield command


def _shell_lines(section: Section) -> Iterator[tuple[int, str]]:
    """Yield the lines that the shell runs: not comments, and not the bodies of here-documents."""
    delimiter = ""
    for number, line in section.body:
        if delimiter:
            delimiter = "" if line.strip() == delimiter else delimiter
        elif not line.lstrip().startswith("#"):
            match = _HERE_DOCUMENT.search(line)
            delimiter = match[2] if match else ""
            yield number, line


def _removed_settings(section: Section, release: Release) -> Iterator[Fault]:
    for number, line in section.body:
        if line.lstrip().startswith("#"):
            continue
        for key in sorted(set(_KEY.findall(line))):
            when = removal(key, release.kernel)
            if when:
                text = f"The kernel setting '{key}' {when}: drop it."
                yield Fault(line=number, text=text, severity="warning")
