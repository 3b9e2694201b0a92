"""The part of doctor that builds and deploys run before they start; warnings that stop nothing are left to doctor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgpipe.cli import context
from imgpipe.home import in_home

if TYPE_CHECKING:
    from imgpipe.deploy.planning import DeployPlan
    from imgpipe.domain_spec import Accelerator
    from imgpipe.host.doctor.checkup import Host
    from imgpipe.plan import Plan


def this_host() -> Host:
    """Return this host as the options and settings say that it is used."""
    from imgpipe.adapters.hypervisor import chosen_uri
    from imgpipe.host.doctor.checkup import Host

    settings = context.settings()
    return Host(
        uri=chosen_uri(context.choices().connect or settings.connect),
        store=context.store(),
        media=tuple(in_home(folder) for folder in settings.media),
        pool=settings.pool,
    )


def require_for_build(plan: Plan, used: Accelerator) -> None:
    """Raise HostError with all that would stop the build later, after its half hour of installing."""
    from imgpipe.host.doctor.checkup import build_checks
    from imgpipe.host.doctor.run import require, run

    require(run(build_checks(this_host(), plan, used)), f"the build of '{plan.name}'")


def require_for_deploy(plan: DeployPlan) -> tuple[str, ...]:
    """Return which bridges lead nowhere; raises HostError with what would keep new machines from starting."""
    from imgpipe.host.doctor.checkup import machine_checks, plugged_checks
    from imgpipe.host.doctor.finding import failures
    from imgpipe.host.doctor.run import require, run

    host, new = this_host(), plan.new
    require(run(machine_checks(host, new)), f"the fleet '{plan.fleet.name}'")
    bridges = sorted({nic.source for machine in new for nic in machine.identity.nics if nic.kind == "bridge"})
    return tuple(found.meaning for found in failures(run(plugged_checks(bridges))))
