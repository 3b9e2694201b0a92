"""What is wrong in a kickstart: everything pykickstart finds, and what it cannot know.

An error is what certainly makes the installation fail, wait for ever, not boot, or make another system than it says; a
warning is what probably does, or what does nothing or less than it seems to. Both are so by the installer's own code.
"""

from __future__ import annotations

from imgpipe.os_family import Fault, System
from imgpipe_el.lint.directives import directive_faults
from imgpipe_el.lint.layout import layout_faults
from imgpipe_el.lint.scripts import script_faults
from imgpipe_el.lint.secrets import secret_faults
from imgpipe_el.lint.source import read_kickstart, text_faults
from imgpipe_el.lint.syntax import syntax_faults
from imgpipe_el.lint.values import value_faults
from imgpipe_el.release import Release
from imgpipe_el.systems import release_of


def lint(text: str, system: System, firmware: str) -> tuple[Fault, ...]:
    """Return every fault of the kickstart `text` for `system` on a machine with `firmware`, by line."""
    return lint_kickstart(text, release_of(system.name), firmware)


def lint_kickstart(text: str, release: Release, firmware: str) -> tuple[Fault, ...]:
    """Return every fault of the kickstart `text` for `release` on a machine with `firmware`, by line."""
    kickstart = read_kickstart(text)
    faults = {
        *text_faults(text),
        *kickstart.faults,
        *syntax_faults(kickstart, release.installer),
        *value_faults(kickstart, release.installer),
        *directive_faults(kickstart, release),
        *layout_faults(kickstart, release, firmware),
        *secret_faults(kickstart),
        *script_faults(kickstart, release),
    }
    return tuple(sorted(faults, key=lambda fault: (fault.line, fault.severity, fault.text)))
