"""Files of a family's own that tell a machine who it is."""

from __future__ import annotations

from imgpipe.deploy.wanted import WantedMachine
from imgpipe.errors import GuestError
from imgpipe.offline_edits import Step


def own_files(machine: WantedMachine) -> tuple[Step, ...]:
    """Return what the plugin of the machine's system writes; raises GuestError if that is not installed."""
    template = machine.template
    if template.own_files is None:
        raise GuestError(
            f"No plugin can tell clones of '{template.reference}' who they are.",
            hint=f"Install the plugin that knows '{template.system}'.",
        )
    return template.own_files(machine.identity, template.personalise)
