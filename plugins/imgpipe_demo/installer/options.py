"""The installer's own kernel command line."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

# As `preserved_arguments` of Anaconda on EL 9, for what means something on this system.
_PRESERVED = ("biosdevname", "console", "ipv6.disable", "net.ifnames", "nomodeset")


@dataclass(frozen=True, kw_only=True)
class BootOptions:
    """What the command line asks of the installer."""

    cmdline: bool
    faults: frozenset[str]
    handler: str
    preserved: tuple[str, ...]


def parse_options(text: str) -> BootOptions:
    """Read `/proc/cmdline`; unknown words belong to somebody else."""
    words = shlex.split(text)
    values = dict(word.partition("=")[::2] for word in words)
    return BootOptions(
        cmdline="inst.cmdline" in values,
        faults=frozenset(fault for fault in values.get("standin.fault", "").split(",") if fault),
        handler=values.get("inst.standin.handler", ""),
        preserved=tuple(word for word in words if word.partition("=")[0] in _PRESERVED),
    )
