"""Commands in scripts that end the installer, do nothing, or do it to the installer instead of the installed system.

%post runs in a chroot of the target, with the installer's /dev, /proc, /sys and /run: what talks to a daemon or to
the kernel talks to the installer's. Scripts of other interpreters than shells are not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from imgpipe.os_family import Fault
from imgpipe.shell_scripts import ShellCommand, is_shell, shell_commands, unread_line
from imgpipe_el.kickstart.sysctl import removal
from imgpipe_el.lint.source import Kickstart, Section
from imgpipe_el.release import Release


class _Trap(NamedTuple):
    """A command by pattern (see `ShellCommand.text`), and what is to be said of it."""

    pattern: str
    text: str
    severity: Literal["error", "warning"] = "warning"


_ENDS = _Trap(
    r"systemctl\s+(-\S+\s+)*(poweroff|reboot|halt|kexec)(\s|$)|(poweroff|reboot|halt)(\s+-\S+)*$"
    r"|shutdown(?!\s+-c)(\s|$)|(init|telinit)\s+[06]$|.*>/proc/sysrq-trigger",
    "This ends the installer before it has finished the disk, or, in the chroot of systemd's systems, is ignored: "
    "use the command 'poweroff' outside the script.",
    "error",
)
_TRAPS = (
    _Trap(
        r"systemctl\s+(-\S+\s+)*(start|stop|restart|reload|try-restart|reload-or-restart|daemon-reload|isolate)\b"
        r"|systemctl\b.*\s--now\b|service\s+\S+\s+(start|stop|restart|reload)\b",
        "systemd does not run in the chroot, so this is ignored: 'systemctl enable' or 'services --enabled=' "
        "take effect at the first boot.",
    ),
    _Trap(
        r"timedatectl\s+set-",
        "timedatectl talks to the installer, if to anything: use 'timezone --utc' outside the script.",
    ),
    _Trap(
        r"hostnamectl\s+set-|hostnamectl\s+hostname\s+\S|hostname\s+(-[bF]\b|[^-\s])",
        "This names the installer: use 'network --hostname='.",
    ),
    _Trap(r"localectl\s+set-", "localectl talks to the installer: use 'lang' and 'keyboard'."),
    _Trap(r"nmcli\s+(?!.*--offline)|nmtui\b", "NetworkManager is the installer's: use 'network', or write a keyfile."),
    _Trap(
        r"ip\s+(-\S+\s+)*(addr(ess)?|link|route|rule)\s+(add|set|del(ete)?|replace)\b|ifup\b|ifdown\b|ifconfig\s+\S+\s+\S",
        "This changes the installer's network: use 'network'.",
    ),
    _Trap(
        r"sysctl\b.*\s(--system|--load|--write|-p\S*|-w)(\s|$|=)|sysctl\s+\S+=",
        "This changes the installer's kernel, and fails on an unknown key: only write /etc/sysctl.d/*.conf.",
    ),
    _Trap(r".*>/proc/sys/|tee\s.*\s/proc/sys/", "This changes the installer's kernel: write /etc/sysctl.d/*.conf."),
    _Trap(
        r".*>/etc/security/limits\.conf$|tee\s.*/etc/security/limits\.conf(\s|$)",
        "This reaches login sessions only: services take their limits from /etc/systemd/system.conf.d/*.conf.",
    ),
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
    r"(sed\s(.*\s)?(-\w*i|--in-place)|augtool\b).*sshd_config(?!\.d)|.*>/etc/ssh/sshd_config$"
    r"|tee\s.*/etc/ssh/sshd_config$",
    "A file of /etc/ssh/sshd_config.d is read first, and sshd keeps the first value: "
    "write /etc/ssh/sshd_config.d/00-NAME.conf instead.",
)
# Those that run after a failure may end the machine.
_BEFORE_THE_END = frozenset({"%post", "%pre", "%pre-install"})
_KEY = re.compile(r"(?<![\w./-])(?:net|kernel|vm|fs)(?:[./][\w-]+)+")


def script_faults(kickstart: Kickstart, release: Release) -> Iterator[Fault]:
    """Yield what the scripts get wrong."""
    traps = (*_TRAPS, _SSHD) if release.sshd_drop_ins else _TRAPS
    for section in kickstart.sections:
        if not section.is_script:
            continue
        yield from _removed_settings(section, release)
        if section.name in _BEFORE_THE_END and is_shell(section.opening.value("--interpreter") or "/bin/sh"):
            inside = section.name == "%post" and not section.opening.has("--nochroot")
            yield from _trapped(section, (_ENDS, *traps) if inside else (_ENDS,))


def _trapped(section: Section, traps: tuple[_Trap, ...]) -> Iterator[Fault]:
    script = "\n".join(line.rstrip("\r") for _, line in section.body)
    numbers = [number for number, _ in section.body]
    if unread := unread_line(script):
        text = "The script could not be read from here on, so that little is said of what follows."
        yield Fault(line=numbers[min(unread, len(numbers)) - 1], text=text, severity="warning")
    for command in shell_commands(script):
        number = numbers[min(command.line, len(numbers)) - 1]
        yield from (_fault(trap, command, number) for trap in traps if re.match(trap.pattern, command.text))


def _fault(trap: _Trap, command: ShellCommand, number: int) -> Fault:
    return Fault(line=number, text=trap.text, severity=trap.severity if command.certain else "warning")


def _removed_settings(section: Section, release: Release) -> Iterator[Fault]:
    for number, line in section.body:
        if line.lstrip().startswith("#"):
            continue
        for key in sorted(set(_KEY.findall(line))):
            when = removal(key, release.kernel)
            if when:
                text = f"The kernel setting '{key}' {when}: drop it."
                yield Fault(line=number, text=text, severity="warning")
