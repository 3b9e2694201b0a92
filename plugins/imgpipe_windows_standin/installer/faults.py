"""Misbehaviour on request: by the name of the chosen image, or by a file on any CD."""

from __future__ import annotations

import re
from collections.abc import Iterable

FILE = "standin.fault"
"""A file in the root of a CD that names faults, with blanks or commas between them."""

NAMES = frozenset(
    {
        # Setup waits at a dialog before it touches the disk.
        "dialog",
        # The first reboot ends in another, for ever.
        "boot-loop",
        # The first boot from the disk stops with a blue screen.
        "stop-error",
        # A driver's installation fails, so that the scripts report it and power off without sysprep.
        "driver-missing",
        # Sysprep fails and leaves no tag; the machine is powered off all the same.
        "no-tag",
        # Sysprep leaves the image state UNDEPLOYABLE.
        "undeployable",
        # Powered off with the volume marked as dirty.
        "dirty-ntfs",
        # Powered off hibernated, as with fast startup.
        "hibernated",
    }
)
_IN_IMAGE = re.compile(r"STANDIN FAULT ([A-Z-]+)", re.IGNORECASE)


def asked(image: str, files: Iterable[str]) -> frozenset[str]:
    """Return the faults asked for by an image's name and by the texts of the fault files; unknown ones are none."""
    words = {word.lower() for word in _IN_IMAGE.findall(image)}
    for text in files:
        words |= set(re.split(r"[\s,]+", text.lower()))
    return NAMES & words
