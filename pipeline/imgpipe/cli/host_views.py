"""How the plan and the findings about a host's network are shown: pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from imgpipe.host.network.planning import NetworkPlan
from imgpipe.host.network.verification import Finding


def plan_lines(plan: NetworkPlan) -> Iterator[str]:
    """Yield the keyfiles, then what is done with them."""
    for planned in plan.profiles:
        if planned.is_new:
            yield f"# {planned.path} (0600)"
            yield from planned.text.splitlines()
            yield ""
    yield from summary(plan)


def summary(plan: NetworkPlan) -> Iterator[str]:
    """Yield what is written, activated and set aside, in order."""
    if not plan.changes:
        yield "Nothing is to be changed."
    for planned in plan.profiles:
        if not planned.is_new:
            yield f"keep   {planned.profile.file_name}"
    for step, planned in enumerate((item for item in plan.profiles if item.activate), start=1):
        below = f" into {planned.profile.controller}" if planned.profile.controller else ""
        yield f"{step}. up  {planned.profile.name}{below}"
    for stored in plan.replaced:
        yield f"set aside at the confirmation: '{stored.name}' ({stored.file or 'without a file'})"


def plan_for_programs(plan: NetworkPlan) -> dict[str, Any]:
    """Return the plan as JSON takes it."""
    return {
        "changes": plan.changes,
        "profiles": [
            {
                "name": planned.profile.name,
                "path": planned.path,
                "new": planned.is_new,
                "activate": planned.activate,
                "keyfile": planned.text,
            }
            for planned in plan.profiles
        ],
        "set_aside": [{"name": stored.name, "uuid": stored.uuid, "file": stored.file} for stored in plan.replaced],
        "not_carried_over": list(plan.lost),
    }


def finding_lines(found: Sequence[Finding]) -> Iterator[str]:
    """Yield a line for each thing that was looked at."""
    width = max((len(finding.device) for finding in found), default=0)
    for finding in found:
        yield f"{'ok' if finding.ok else 'FAULT':<5}  {finding.device:<{width}}  {finding.text}"


def findings_for_programs(found: Sequence[Finding]) -> dict[str, Any]:
    """Return the findings as JSON takes them."""
    return {
        "ok": all(finding.ok for finding in found),
        "findings": [{"device": item.device, "ok": item.ok, "text": item.text} for item in found],
    }
