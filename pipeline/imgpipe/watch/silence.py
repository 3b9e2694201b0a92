"""Whether a machine still works, judged by what it does and never by the clock alone.

An installer is long and quiet at times (an initramfs under emulation takes minutes without a line), but it computes
and writes all the while. One that waits for an answer, or died, does neither.
"""

from __future__ import annotations

from dataclasses import dataclass

from imgpipe.domain_spec import Accelerator
from imgpipe.machine_state import Activity


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long what is borne, in seconds.

    `idle_s`: next to no CPU, no disk, no text. `question_s`: the same after a question. `busy_s`: CPU alone, with no
    disk and no text, a loop that leads nowhere. `whole_s`: everything, as the last resort. `idle_cpu` is the share
    of one CPU below which a machine counts as idle.
    """

    idle_s: float
    question_s: float
    busy_s: float
    whole_s: float
    idle_cpu: float


def patience(accelerator: Accelerator) -> Patience:
    """Return what an installation deserves; emulation is some ten times slower, and idles less quietly.

    The longest pause of a sound installer known to us is dracut's wait for a device, 180 s.
    """
    if accelerator == "kvm":
        return Patience(idle_s=240, question_s=4, busy_s=3600, whole_s=6 * 3600, idle_cpu=0.03)
    # Measured under TCG: an idle kernel takes 2 % of a CPU, and a host shared by many gives a busy one 30 % and more.
    return Patience(idle_s=300, question_s=4, busy_s=3 * 3600, whole_s=24 * 3600, idle_cpu=0.10)


class Stillness:
    """Since when a machine has been idle, and since when it has neither written nor said anything."""

    def __init__(self, now: float, idle_cpu: float) -> None:
        self._idle_cpu = idle_cpu
        self._idle_since = now
        self._mute_since = now
        self._sample: tuple[float, Activity] | None = None

    def observe(self, now: float, activity: Activity | None, *, text: bool) -> None:
        """Take what was seen; `text` says that the console or the log grew since the last time."""
        if text:
            self._idle_since = self._mute_since = now
        if activity is None:
            return
        if self._sample is None:
            self._sample = (now, activity)
            return
        then, before = self._sample
        if now - then < 1:
            # Shorter than this, one tick of the CPU counter looks like work.
            return
        self._sample = (now, activity)
        if activity.disk_bytes != before.disk_bytes:
            self._idle_since = self._mute_since = now
        elif (activity.cpu_ns - before.cpu_ns) / 1e9 > self._idle_cpu * (now - then):
            self._idle_since = now

    def idle_for(self, now: float) -> float:
        """Return for how many seconds the machine has done nothing at all."""
        return now - self._idle_since

    def mute_for(self, now: float) -> float:
        """Return for how many seconds nothing was written to a disk, the console or the log."""
        return now - self._mute_since
