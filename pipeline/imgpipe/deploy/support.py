"""What the libvirt that shall run a fleet lacks, told in the plan."""

from __future__ import annotations

from dataclasses import replace

from imgpipe.deploy.planning import DeployPlan
from imgpipe.domain_features import Features
from imgpipe.domain_support import dropped, refusals


def supported(plan: DeployPlan, features: Features) -> DeployPlan:
    """Return the plan with what its new machines do without as notes, and why they would not start as warnings."""
    notes, warnings = list(plan.notes), list(plan.warnings)
    for machine in plan.new:
        kind = (machine.machine, machine.template.hardware)
        warnings += [one.reason for one in refusals(features, *kind)]
        notes += dropped(features, *kind, linked=machine.linked)
    return replace(plan, notes=tuple(dict.fromkeys(notes)), warnings=tuple(dict.fromkeys(warnings)))
