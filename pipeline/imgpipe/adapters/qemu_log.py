"""What QEMU itself printed, from the log that libvirt keeps of each machine (libvirt's docs/kbase/debuglogs.rst).

A log holds every run of a machine: a line with the time and 'starting up', the environment and the command line, each
line of it but the last ending in a backslash, then what QEMU printed, then a line with the time and 'shutting down'.
"""

from __future__ import annotations

import os
from pathlib import Path

from imgpipe.errors import HostError
from imgpipe.home import in_home

_READ = 65_536
_LINES = 10
_STARTING = ": starting up libvirt version"


def last_words(uri: str, machine: str) -> tuple[str, ...]:
    """Return the last lines that QEMU printed in the machine's last run; none if the log cannot be read."""
    try:
        with _path(uri, machine).open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - _READ))
            text = log.read().decode(errors="replace")
    except (OSError, HostError):
        return ()
    return _printed(text.splitlines())[-_LINES:]


def _path(uri: str, machine: str) -> Path:
    if uri.partition("?")[0].endswith("/system"):
        return Path("/var/log/libvirt/qemu", f"{machine}.log")
    cache = in_home(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    return cache / "libvirt/qemu/log" / f"{machine}.log"


def _printed(lines: list[str]) -> tuple[str, ...]:
    starts = [place for place, line in enumerate(lines) if _STARTING in line]
    run = lines[starts[-1] + 1 :] if starts else []
    command = next((place for place, line in enumerate(run) if not line.endswith("\\")), len(run))
    return tuple("".join(letter for letter in line if letter.isprintable()) for line in run[command + 1 :])
