"""Whether a machine still works, judged by what it does and never by the clock alone.

An installer is long and quiet at times (an initramfs under emulation takes minutes without a line), but it computes
and writes all the while. One that waits for an answer, or died, does neither.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from imgpipe.domain_spec import Accelerator
from imgpipe.machine_state import Activity

# Closer than this, one tick of the CPU counter looks like work.
_APART_S = 1.0
_SAMPLES = 4096


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
    """For how long a machine has been idle, and for how long it has neither written nor said anything.

    An idle guest still has bursts (timers, the page cleaner) that fill a second of an emulated CPU, so what counts is
    the mean over the whole time and never one sample.
    """

    def __init__(self, now: float, idle_cpu: float) -> None:
        self._idle_cpu = idle_cpu
        self._mute_since = now
        self._disk: int | None = None
        # Times and CPU seconds since it last wrote or said something; the caps bound the memory of a long silence.
        self._samples: deque[tuple[float, float]] = deque(maxlen=_SAMPLES)

    def observe(self, now: float, activity: Activity | None, *, text: bool) -> None:
        """Take what was seen; `text` says that the console or the log grew since the last time."""
        wrote = activity is not None and activity.disk_bytes != self._disk
        if activity is not None:
            self._disk = activity.disk_bytes
        if text or wrote:
            self._mute_since = now
            self._samples.clear()
        if activity is not None and (not self._samples or now - self._samples[-1][0] >= _APART_S):
            self._samples.append((now, activity.cpu_ns / 1e9))

    def idle_for(self, now: float) -> float:
        """Return the longest time up to now, in seconds, in which the machine did next to nothing."""
        if not self._samples:
            return 0.0
        last, cpu = self._samples[-1]
        for then, before in self._samples:
            if cpu - before <= self._idle_cpu * (last - then):
                return now - then
        return 0.0

    def mute_for(self, now: float) -> float:
        """Return for how many seconds nothing was written to a disk, the console or the log."""
        return now - self._mute_since
