"""The power button, as ACPI gives it to the kernel's input devices.

Format: `struct input_event` of linux/input.h on a 64-bit machine.
"""

from __future__ import annotations

import select
import struct
from pathlib import Path

_EVENT = struct.Struct("<qqHHi")
_KEY, _POWER, _PRESSED = 1, 116, 1


def wait_for_power_button() -> None:
    """Return when the power button is pressed; for ever if the machine has none."""
    devices = [path.open("rb", buffering=0) for path in Path("/dev/input").glob("event*")]
    while True:
        ready, _, _ = select.select(devices, [], [])
        for device in ready:
            data = device.read(_EVENT.size) or b""
            if len(data) == _EVENT.size and _EVENT.unpack(data)[2:] == (_KEY, _POWER, _PRESSED):
                return
