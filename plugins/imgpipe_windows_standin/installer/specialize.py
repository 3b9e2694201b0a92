"""The pass specialize: what the answer file says of this one computer, written where Windows keeps it."""

from __future__ import annotations

import random
import string
from pathlib import Path

from . import discs, windows
from .answers import Answers, read_answers
from .logs import PantherLog

_CONTROL = r"ControlSet001\Control"
_NAMES = ("unattend.xml", "autounattend.xml")


def find_answers(phase: str, log: PantherLog) -> Answers | None:
    """Return the answer file of a pass: the cached copy first, then those of the CDs; None where there is none."""
    places = [("C", windows.ANSWERS)] if windows.ANSWERS.exists() else []
    roots = discs.mount_all()
    for name in _NAMES:
        places += discs.find_on(roots, name)
    for letter, path in places:
        answers = read_answers(path)
        if answers.has_settings(phase):
            log.note("UNATT", f"Found usable unattend file for pass [{phase}] at [{_shown(letter, path)}]")
            return answers
    return None


def apply(answers: Answers | None) -> str:
    """Give the computer its name and time zone; return the name."""
    name = answers.computer_name if answers else ""
    if name in {"", "*"}:
        letters = string.ascii_uppercase + string.digits
        name = "WIN-" + "".join(random.SystemRandom().choices(letters, k=11))
    zone = (answers.time_zone if answers else "") or "UTC"
    windows.change_system(
        {
            rf"{_CONTROL}\ComputerName\ComputerName": {"ComputerName": name},
            r"ControlSet001\Services\Tcpip\Parameters": {"Hostname": name, "NV Hostname": name},
            rf"{_CONTROL}\TimeZoneInformation": {"TimeZoneKeyName": zone},
        }
    )
    return name


def _shown(letter: str, path: Path) -> str:
    return r"C:\Windows\Panther\unattend.xml" if letter == "C" else f"{letter}:\\{path.name}"
