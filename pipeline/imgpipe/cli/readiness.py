"""The part of doctor that builds and deploys run before they start; warnings that stop nothing are left to doctor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgpipe.cli import context
from imgpipe.home import in_home

if TYPE_CHECKING:
    from pathlib import Path

    from imgpipe.artifacts import Medium
    from imgpipe.deploy.planning import DeployPlan
    from imgpipe.deploy.wanted import Template
    from imgpipe.disk_source import CheckedDisk
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


def require_for_build(plan: Plan, used: Accelerator, medium: Medium | None = None) -> None:
    """Raise HostError with all that would stop the build later, after its half hour of installing."""
    from imgpipe.host.doctor.checkup import build_checks
    from imgpipe.host.doctor.run import require, run

    media = (medium.path, *(further.path for further in medium.further)) if medium else ()
    require(run(build_checks(this_host(), plan, used, media)), f"the build of '{plan.name}'")


def require_for_deploy(plan: DeployPlan, pool: Path) -> tuple[str, ...]:
    """Return which bridges lead nowhere; raises HostError with what would keep new machines from starting.

    `pool` is the folder that their disks will lie in.
    """
    from imgpipe.host.doctor.checkup import machine_checks, plugged_checks
    from imgpipe.host.doctor.finding import failures
    from imgpipe.host.doctor.run import require, run

    host, new = this_host(), plan.new
    disks = (pool, *(folder for machine in new for folder in _disk_folders(machine.template))) if new else ()
    require(run(machine_checks(host, new, disks)), f"the fleet '{plan.fleet.name}'")
    bridges = sorted({nic.source for machine in new for nic in machine.identity.nics if nic.kind == "bridge"})
    return tuple(found.meaning for found in failures(run(plugged_checks(bridges))))


def require_for_clone(source: str, disk: CheckedDisk, pool: Path) -> None:
    """Raise HostError where SELinux would keep clones of `source`, whose disk is `disk`, from starting in `pool`."""
    from imgpipe.host.doctor.finding import Check
    from imgpipe.host.doctor.run import require, run

    check = Check("SELinux", lambda: this_host().labels((pool, *_layers(disk))))
    require(run((check,)), f"clones of '{source}'")


def require_for_import(name: str) -> None:
    """Raise HostError where SELinux would keep the machine that verifies an import from starting."""
    from imgpipe.host.doctor.finding import Check
    from imgpipe.host.doctor.run import require, run

    host = this_host()
    require(run((Check("SELinux", lambda: host.labels(host.own_folders[:2])),)), f"the import of '{name}'")


def _disk_folders(template: Template) -> tuple[Path, ...]:
    """Return the folders of a template's disk and of those that it stands on."""
    return _layers(template.foreign) if template.foreign else (template.disk.parent,)


def _layers(disk: CheckedDisk) -> tuple[Path, ...]:
    return tuple(layer.path.parent for layer in disk.layers)
