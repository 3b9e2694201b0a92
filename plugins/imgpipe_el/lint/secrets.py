"""Passwords in plain text: the kickstart is on an ISO, and Anaconda keeps copies of it in the image."""

from __future__ import annotations

import re
from collections.abc import Iterator

from imgpipe.os_family import Fault
from imgpipe_el.lint.source import Command, Kickstart

_CREDENTIALS = re.compile(r"\w+://[^/\s:@]+:[^/\s@]+@")
_PASSPHRASES = ("--passphrase", "--one-time-password", "--wpakey", "--activation-key")


def secret_faults(kickstart: Kickstart) -> Iterator[Fault]:
    """Yield a warning for each line that holds a password which anyone can read."""
    for command in kickstart.commands:
        if _is_plain(command):
            text = f"The password of '{command.name}' is in plain text: give a hash with '--iscrypted'."
            yield Fault(line=command.line, text=text, severity="warning")
        if _CREDENTIALS.search(command.text):
            text = "The address holds a password in plain text."
            yield Fault(line=command.line, text=text, severity="warning")
        for option in _PASSPHRASES:
            if command.has(option):
                text = f"'{option}' is a secret in plain text, which stays readable in the image."
                yield Fault(line=command.line, text=text, severity="warning")


def _is_plain(command: Command) -> bool:
    if command.has("--iscrypted"):
        return False
    if command.name in {"rootpw", "sshpw"}:
        given = [word for word in command.arguments if word != command.value("--username")]
        return bool(given)
    return command.name in {"user", "bootloader", "group"} and command.has("--password")
