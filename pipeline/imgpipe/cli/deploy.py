"""`imgpipe deploy`: from golden images to running machines."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from imgpipe import manual
from imgpipe.cli import context, output
from imgpipe.cli.deploy_options import DeployOptions
from imgpipe.cli.option_table import with_options
from imgpipe.errors import RecipeError

if TYPE_CHECKING:
    from imgpipe.adapters.hypervisor import Hypervisor
    from imgpipe.deploy.changes import Change
    from imgpipe.deploy.existing import HostFacts
    from imgpipe.deploy.fleet import Fleet
    from imgpipe.deploy.fleet_records import Description
    from imgpipe.deploy.planning import DeployPlan
    from imgpipe.deploy.wanted import WantedMachine
    from imgpipe.deploy.workshop import Workshop
    from imgpipe.identity.report import Report
    from imgpipe.source_nics import SourceNic


def _deploy(options: DeployOptions) -> None:
    """Make machines from golden images, each with its own name, addresses and keys; or change what is there.

    Everything is checked before anything is touched. Running it again changes only what differs, and goes on where
    an interrupted run was. docs/fleets.md has the format of fleets.

    Examples:

      imgpipe deploy rocky9-4c2g15g --name db

      imgpipe deploy rocky9 --name web --count 50 --bridge br1 --memory 4G

      imgpipe deploy rocky9 --name app --bridge br2 --addresses 10.1.0.9/24

      imgpipe deploy rocky9 --name web --count 50 --bridge br1 --write-fleet web.toml

      imgpipe deploy fleet.toml --plan

      imgpipe deploy fleet.toml --prune --yes --output ansible > hosts.yml

      imgpipe deploy --import old-web.qcow2 --name web2 --bridge br1
    """
    if options.schema:
        from imgpipe.toml_schemas import fleet_schema

        output.show_json(fleet_schema())
        return
    described = _described(options)
    fleet = _fleet(options, described)
    if options.plan:
        _show_plan(fleet, options, described)
        return
    _carry_out(fleet, options, described)


deploy = with_options(_deploy, DeployOptions)
deploy.__doc__ = str(deploy.__doc__).replace("docs/fleets.md", manual.page("fleets.md"))


def _described(options: DeployOptions) -> Description:
    """Return what describes the fleet: a file, or the options; raises RecipeError where both do, or neither."""
    from imgpipe.cli.fleet_options import asked_for, refuse_fleet_options
    from imgpipe.deploy.fleet_files import table_of_flags, with_whole_paths
    from imgpipe.deploy.fleet_records import Description
    from imgpipe.home import in_home

    if options.what and options.import_disk:
        raise RecipeError("A deploy takes a template or '--import', not both.")
    trusted = tuple(in_home(folder).absolute() for folder in options.trust_backing or ())
    foreign = Description(disk_format=options.disk_format, trusted=trusted)
    if options.what and _is_file(options):
        refuse_fleet_options(options)
        return dataclasses.replace(foreign, file=Path(options.what).absolute())
    table = table_of_flags(asked_for(options, _plugs))
    return dataclasses.replace(foreign, table=with_whole_paths(table, Path.cwd()))


def _fleet(options: DeployOptions, described: Description) -> Fleet:
    """Return the fleet that a file has, or that the options ask for."""
    from imgpipe.deploy.fleet_files import as_options, read_fleet

    if _is_file(options):
        return read_fleet(Path(options.what or ""))
    try:
        return described.fleet()
    except RecipeError as error:
        raise as_options(error) from None


def _plugs(template: str) -> tuple[SourceNic, ...]:
    """Return what the NICs of machines are plugged into where nobody says it."""
    from imgpipe.deploy.default_nics import default_nics
    from imgpipe.deploy.fleet import is_disk
    from imgpipe.deploy.templates import of_catalog
    from imgpipe.errors import ImgpipeError

    bridges = context.settings().bridges
    try:
        known = None if bridges or is_disk(template) else of_catalog(context.store(), template)
    except ImgpipeError:
        # It is told with the other faults, once the fleet is planned.
        known = None
    return default_nics(bridges, known)[0]


def _is_file(options: DeployOptions) -> bool:
    return Path(options.what or "").suffix == ".toml"


def _show_plan(fleet: Fleet, options: DeployOptions, described: Description) -> None:
    from imgpipe.cli.deploy_views import describe, shown
    from imgpipe.cli.fleet_export import write_fleet
    from imgpipe.cli.shop import connected

    _require_templates(fleet)
    with connected(planned=True) as hypervisor:
        plan, _ = _plan(fleet, options, hypervisor, _shop(fleet, options, hypervisor))
    if options.write_fleet:
        write_fleet(described, options.write_fleet)
    if options.as_json:
        output.show_json(shown(plan))
    else:
        output.show_text(describe(plan))


def _carry_out(fleet: Fleet, options: DeployOptions, described: Description) -> None:
    from imgpipe.cli.fleet_export import write_fleet
    from imgpipe.cli.progress import listener
    from imgpipe.cli.shop import connected, hear, with_pool
    from imgpipe.deploy.bring_up import apply, fleet_lock
    from imgpipe.deploy.fleet_records import remember
    from imgpipe.events import stage

    _require_templates(fleet)
    with connected() as hypervisor, fleet_lock(context.store(), fleet.name, hear):
        shop = _shop(fleet, options, hypervisor)
        plan, facts = _plan(fleet, options, hypervisor, shop)
        _tell(plan)
        _check_support(plan, shop)
        if facts.local:
            _check_host(plan, shop)
        ask(plan, stop=options.stop, yes=options.yes)
        shop = with_pool(shop, hypervisor, options.pool or fleet.pool)
        if options.write_fleet:
            write_fleet(described, options.write_fleet)
        remember(context.store(), fleet.name, described)
        reports: dict[str, Report] = {}
        with listener(options.as_json, ("deploy",)) as notify, stage("deploy", notify):
            heard = dataclasses.replace(shop, notify=notify)
            apply(plan.changes, heard)
            if late := _to_wait_for(plan, facts, options):
                reports = _wait(late, heard, options)
        _finish(plan, shop, options, reports)


def _shop(fleet: Fleet, options: DeployOptions, hypervisor: Hypervisor) -> Workshop:
    from imgpipe.cli.shop import Manner, look_around

    manner = Manner(at_once=options.parallel, may_stop=options.stop, paused=options.paused, planned=options.plan)
    return look_around(hypervisor, options.pool or fleet.pool, manner)


def _require_templates(fleet: Fleet) -> None:
    """Refuse a fleet whose images are all missing: that needs no libvirt, which may have to be started.

    Then the first word is said, because what follows may take a while.
    """
    from imgpipe.cli.fleet_plans import is_recipe
    from imgpipe.deploy.templates import require_templates

    require_templates(fleet, context.store(), is_recipe)
    output.tell(f"{fleet.name}: looking at its templates, at libvirt's machines and at the pool.")


def _plan(fleet: Fleet, options: DeployOptions, hypervisor: Hypervisor, shop: Workshop) -> tuple[DeployPlan, HostFacts]:
    from imgpipe.cli.fleet_options import names_nics
    from imgpipe.cli.fleet_plans import Asked, plan_of
    from imgpipe.deploy.fleet_files import as_options

    asked = Asked(
        fleet=fleet,
        prune=options.prune,
        rebuild=options.rebuild,
        planned=options.plan,
        disk_format=options.disk_format,
        trusted=tuple(options.trust_backing or ()),
        unnamed_nics=not _is_file(options) and not names_nics(options),
    )
    try:
        return plan_of(asked, hypervisor, shop)
    except RecipeError as error:
        raise (error if _is_file(options) else as_options(error)) from None


def _tell(plan: DeployPlan) -> None:
    from imgpipe.cli.deploy_views import summary

    output.tell(f"{plan.fleet.name}: {summary(plan)}.")
    for note in plan.notes:
        output.tell(f"note: {note}")
    for warning in plan.warnings:
        output.tell(f"warning: {warning}")


def _check_support(plan: DeployPlan, shop: Workshop) -> None:
    """Refuse machines that the libvirt which shall run them, wherever it is, would not start."""
    from imgpipe.cli.readiness import require_support

    wanted = [(machine.machine, machine.template.hardware) for machine in plan.new]
    require_support(wanted, shop.policy.features, f"the fleet '{plan.fleet.name}'")


def _check_host(plan: DeployPlan, shop: Workshop) -> None:
    """Refuse what would fail half-way, and warn of machines that would reach nobody."""
    from imgpipe.cli.readiness import require_for_deploy

    for warning in require_for_deploy(plan, shop.pool.path):
        output.tell(f"warning: {warning}")


def ask(plan: DeployPlan, *, stop: bool, yes: bool) -> None:
    """Ask before machines stop, disks are lost, or what somebody did by hand is undone."""
    from imgpipe.deploy.faults import listed

    if undone := plan.undone:
        for name, change in undone:
            output.tell(f"warning: '{name}': {'; '.join(change.told)}.")
        unsure = " or may have been" if any(change.unsure for _, change in undone) else ""
        names = listed(name for name, _ in undone)
        output.confirm(f"Undo what was{unsure} changed by hand of {names}?", yes=yes)
    if plan.lost:
        output.confirm(f"Remove {listed(plan.lost)}, with all that is on the disks?", yes=yes)
    if plan.stopped and stop:
        output.confirm(f"Stop {listed(plan.stopped)} for the change, and start again?", yes=yes)


def _to_wait_for(plan: DeployPlan, facts: HostFacts, options: DeployOptions) -> tuple[WantedMachine, ...]:
    """Return the machines whose guests shall prove themselves: those that start, or that never did."""
    from imgpipe.deploy.changes import Remove

    wait = sys.stderr.isatty() if options.wait is None else options.wait
    if not wait or options.paused:
        return ()
    proven = {machine.name for machine in facts.machines if machine.record and machine.record.proven}
    return tuple(
        change.machine
        for change in plan.changes
        if not isinstance(change, Remove)
        and change.machine.start
        # Windows has nothing that reports.
        and not change.machine.template.personalise.by_answer_file
        and _comes_up(change, proven, may_stop=options.stop)
    )


def _comes_up(change: Change, proven: set[str], *, may_stop: bool) -> bool:
    """Say whether a machine starts by its change, or is still to prove that it ever did."""
    from imgpipe.deploy.changes import Keep, Modify

    if isinstance(change, Modify) and change.needs_stop:
        return may_stop
    if isinstance(change, Keep) or (isinstance(change, Modify) and not change.start):
        return change.machine.name not in proven
    return True


def _wait(late: tuple[WantedMachine, ...], shop: Workshop, options: DeployOptions) -> dict[str, Report]:
    from imgpipe.deploy.waiting import wait_until_up

    return wait_until_up(late, shop.machines, options.wait_seconds, shop.notify, shop.policy.accelerator)


def _finish(plan: DeployPlan, shop: Workshop, options: DeployOptions, reports: dict[str, Report]) -> None:
    """Say what there is now: the machines of the fleet on stdout, in the form that was asked for."""
    from imgpipe.cli import machine_views

    every = shop.machines.list()
    mine = tuple(one for one in every if one.record and one.record.fleet == plan.fleet.name)
    if options.as_json:
        told = [machine_views.values(machine) for machine in mine]
        output.show_line(json.dumps({"event": "deployed", "fleet": plan.fleet.name, "machines": told}))
        return
    if reports:
        output.tell(f"{len(reports)} machines are up, as asked for, and no two are alike.")
    machine_views.show(mine, options.output, every, as_json=False)
