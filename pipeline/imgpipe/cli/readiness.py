"""The part of doctor that builds and deploys run before they start; warnings that stop nothing are left to doctor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgpipe.cli import context
from imgpipe.home import in_home

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from imgpipe.artifacts import Medium
    from imgpipe.deploy.planning import DeployPlan
    from imgpipe.deploy.wanted import Template
    from imgpipe.disk_source import CheckedDisk
    from imgpipe.domain_features import Features
    from imgpipe.host.doctor.checkup import Host
    from imgpipe.os_family import Hardware
    from imgpipe.plan import Plan
    from imgpipe.recipe import Machine


def this_host() -> Host:
    """Return this host as the options and settings say that it is used."""
    from imgpipe.connection_uri import chosen_uri
    from imgpipe.host.doctor.checkup import Host

    settings = context.settings()
    return Host(
        uri=chosen_uri(context.choices().connect or settings.connect),
        store=context.store(),
        media=tuple(in_home(folder) for folder in settings.media),
        pool=settings.pool,
    )


def require_for_build(plan: Plan, features: Features, medium: Medium | None = None) -> tuple[str, ...]:
    """Return what its machines do without on this host; `features` are what libvirt takes of them.

    Raises HostError with all that would stop the build later, after its half hour of installing.
    """
    from imgpipe.domain_support import dropped
    from imgpipe.host.doctor.checkup import build_checks, support_findings
    from imgpipe.host.doctor.finding import failures
    from imgpipe.host.doctor.run import require, run

    host, wanted = this_host(), (plan.machine, plan.unattended.hardware)
    media = (medium.path, *(further.path for further in medium.further)) if medium else ()
    found = run(build_checks(host, plan, features.accelerator, media))
    # What files of the host told already is not told again as libvirt tells it.
    known = {one.name for one in failures(found)} & {"UEFI", "TPM"}
    more = (one for one in support_findings(host, features, [wanted]) if one.name not in known)
    require((*found, *more), f"the build of '{plan.name}'")
    return dropped(features, *wanted)


def require_support(machines: Iterable[tuple[Machine, Hardware]], features: Features, doing: str) -> None:
    """Raise HostError with all that machines need and libvirt and QEMU, wherever they are, lack."""
    from imgpipe.host.doctor.checkup import support_findings
    from imgpipe.host.doctor.run import require

    require(support_findings(this_host(), features, machines), doing)


def without_on_this_host(plan: Plan) -> tuple[str, ...]:
    """Return what the plan's machines would do without, or why they would not run, where libvirt can be asked now.

    Nothing is started for it.
    """
    from imgpipe.domain_support import dropped, refusals
    from imgpipe.errors import HostError
    from imgpipe.host.doctor.daemon import features_at

    host, wanted = this_host(), (plan.machine, plan.unattended.hardware)
    try:
        features = features_at(host.uri, host.accelerator.used)
    except HostError as error:
        return (f"libvirt was not asked what it can: {error}",)
    if features is None:
        return (f"no daemon at '{host.uri}' was asked what it can, because none runs now",)
    refused = tuple(f"no machine of this plan runs here: {one.reason}" for one in refusals(features, *wanted))
    return refused or dropped(features, *wanted)


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
