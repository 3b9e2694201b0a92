"""Keys for a medium that asks for one before it boots ('Press any key to boot from CD or DVD')."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from imgpipe.machine_state import Activity, MachineState
from imgpipe.sizes import MIB

_SECONDS = 60.0
"""For how long keys are pressed after the firmware starts: it takes most of this under emulation."""
_EVERY_SECONDS = 1.0
"""The prompt stays for five seconds."""
_READ = 32 * MIB
"""Once so much was read, the medium's loader runs and asks no more."""


class Keyboard(Protocol):
    """What is asked of a machine whose keys are pressed."""

    def press(self, keys: Sequence[str]) -> None:
        """Press keys one after another."""

    def state(self) -> MachineState:
        """Say what the machine does, and how often it has rebooted."""


class KeyPresser:
    """Presses keys once a second for a bounded time after each start of the firmware, and never into an installer.

    Firmware may restart before it boots anything (UEFI with empty variables does). Once the medium was read, or
    `speaks` says that the installer shows progress, no key is pressed any more, whatever restarts: the disk boots
    first from then on, and Windows' own boot manager stops in a menu at a stray key.
    """

    def __init__(
        self,
        keyboard: Keyboard,
        keys: tuple[str, ...],
        speaks: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keyboard = keyboard
        self._keys = keys
        self._speaks = speaks
        self._clock = clock
        self._started = clock()
        self._pressed = 0.0
        self._reboots = 0
        self._over = False

    def __call__(self, activity: Activity | None) -> bool:
        """Press if the medium may be asking; proves nothing, so it always returns False."""
        if activity is None or self._over:
            return False
        if activity.disk_bytes >= _READ or self._speaks():
            self._over = True
            return False
        now = self._clock()
        if (reboots := self._keyboard.state().reboots) != self._reboots:
            self._reboots, self._started = reboots, now
        if now - self._started < _SECONDS and now - self._pressed >= _EVERY_SECONDS:
            self._pressed = now
            self._keyboard.press(self._keys)
        return False
