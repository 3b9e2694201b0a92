"""The clock: guests start with the host's, and signatures and leases are judged by it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from imgpipe.adapters.host_clock import is_synchronized
from imgpipe.host.distribution import Distribution
from imgpipe.host.doctor.finding import Finding

WITNESSES = (Path("/var/log"), Path("/var/lib"), Path("/etc"), Path(__file__))
"""What was changed in the past, surely."""

_SYSTEMD = Path("/run/systemd/system")
_UNITS = Path("/usr/lib/systemd/system"), Path("/lib/systemd/system")
# What 'timedatectl set-ntp' can switch on, one of which minimal hosts may lack (systemd-timedated(8), NTP units).
_SERVICES = ("systemd-timesyncd", "chronyd", "chrony", "ntpsec", "ntp", "ntpd")
# Files of another host's clock may lie a little ahead.
_TOLERATED_SECONDS = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockFacts:
    """The time now, and the latest time at which something surely happened, in seconds since 1970.

    `kept` says whether a time service keeps the clock; None where the kernel does not tell. `systemd`
    manages services here, and has a `service` that can keep it.
    """

    now: float
    seen: float
    witness: Path
    kept: bool | None
    systemd: bool = True
    service: bool = True


def gather(witnesses: Iterable[Path] = WITNESSES) -> ClockFacts:
    """Look at the clock, and at files that were changed before now."""
    times = {path: path.stat().st_mtime for path in witnesses if path.exists()}
    witness = max(times, key=lambda path: times[path])
    return ClockFacts(
        now=time.time(),
        seen=times[witness],
        witness=witness,
        kept=is_synchronized(),
        systemd=_SYSTEMD.is_dir(),
        service=any((folder / f"{name}.service").is_file() for folder in _UNITS for name in _SERVICES),
    )


def judge(facts: ClockFacts, distribution: Distribution) -> Iterator[Finding]:
    """Say whether the time can be right."""
    shown = datetime.fromtimestamp(facts.now, UTC).strftime("%Y-%m-%d %H:%M UTC")
    if facts.now + _TOLERATED_SECONDS < facts.seen:
        yield Finding(
            name="clock",
            state="fail",
            meaning=f"It is {shown} by the clock, but '{facts.witness}' was changed later than that: it is wrong, and "
            "signatures and certificates are judged by it.",
            commands=("date --set 'YYYY-MM-DD HH:MM'", *_keep(facts, distribution)),
        )
    elif facts.kept is False:
        yield Finding(
            name="clock",
            state="warn",
            meaning=f"It is {shown} by the clock, which no time service keeps; guests start with it.",
            commands=_keep(facts, distribution),
        )
    else:
        yield Finding(name="clock", state="ok", meaning=f"It is {shown}.")


def _keep(facts: ClockFacts, distribution: Distribution) -> tuple[str, ...]:
    """Return what keeps the clock: the service that systemd has, else a package with one."""
    starts = "timedatectl set-ntp true" if facts.systemd else "chronyd"
    if facts.systemd and facts.service:
        return (starts,)
    return () if distribution.family == "unknown" else (distribution.install_packages("chrony"), starts)
