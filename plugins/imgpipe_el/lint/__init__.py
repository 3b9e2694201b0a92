"""What is wrong in a kickstart: everything pykickstart finds, and what it cannot know."""

from __future__ import annotations

from imgpipe.os_family import Fault, System
from imgpipe_el.release import Release
from imgpipe_el.systems import release_of


def lint(text: str, system: System, firmware: str) -> tuple[Fault, ...]:
    """Return every fault of the kickstart `text` for `system` on a machine with `firmware`, by line."""
    return lint_kickstart(text, release_of(system.name), firmware)


def lint_kickstart(text: str, release: Release, firmware: str) -> tuple[Fault, ...]:
    """Return every fault of the kickstart `text` for `release`."""
    return ()
