"""What a running machine does, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Ending = Literal["powered-off", "crashed", "destroyed", "failed", "unknown"]
Situation = Literal["running", "paused", "io-error", "crashed", "ended"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineState:
    """What a machine is doing now; `ending` is set once it is over, `reboots` counts its guest's resets."""

    situation: Situation
    ending: Ending | None = None
    reboots: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What a machine used since it was started: nanoseconds of CPU, bytes read from and written to its disks."""

    cpu_ns: int
    disk_bytes: int
