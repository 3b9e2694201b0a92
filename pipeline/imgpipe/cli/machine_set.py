"""`imgpipe machines set`: what one machine of a fleet has instead of what the fleet says, now and at later deploys."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from imgpipe.cli import context, output
from imgpipe.cli.completion import complete_bridge, complete_machine, complete_network
from imgpipe.cli.virt_words import refuse_values_of_virt_install
from imgpipe.errors import RecipeError

if TYPE_CHECKING:
    from imgpipe.adapters.hypervisor import Hypervisor
    from imgpipe.deploy.existing import ExistingMachine
    from imgpipe.deploy.fleet import Fleet
    from imgpipe.deploy.fleet_records import Description
    from imgpipe.deploy.own_settings import OwnSettings
    from imgpipe.deploy.planning import DeployPlan
    from imgpipe.deploy.workshop import Workshop


@dataclass(frozen=True, slots=True, kw_only=True)
class SetOptions:
    """What `imgpipe machines set` was given; what is None was not said."""

    name: Annotated[str, typer.Argument(metavar="MACHINE", autocompletion=complete_machine)]
    vcpus: Annotated[int | None, typer.Option(min=1, help="How many.")] = None
    memory: Annotated[str | None, typer.Option(metavar="SIZE", help="With its unit: '4 GiB', 4G or 2048M.")] = None
    disk: Annotated[str | None, typer.Option(metavar="SIZE", help="Such as 40G: more than it has; it grows.")] = None
    bridge: Annotated[
        list[str] | None,
        typer.Option(
            help="All its NICs, in order, one a bridge: name those too that it has.", autocompletion=complete_bridge
        ),
    ] = None
    network: Annotated[
        list[str] | None,
        typer.Option(help="A NIC on this network of libvirt, after those.", autocompletion=complete_network),
    ] = None
    addresses: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDRESS/PREFIX", help="One for each NIC, in order: an address, a range, or 'dhcp'."),
    ] = None
    gateway: Annotated[str | None, typer.Option(help="Of the first NIC with addresses.")] = None
    dns: Annotated[list[str] | None, typer.Option(help="Of the first NIC with addresses; may be repeated.")] = None
    key_file: Annotated[list[str] | None, typer.Option(help="Public keys that may log in as root, and no others.")] = (
        None
    )
    root_password: Annotated[
        str | None, typer.Option(metavar="file:PATH|env:NAME", help="Where root's password or its hash is.")
    ] = None
    reset: Annotated[
        bool, typer.Option("--reset", help="First drop all that it has of its own: it is as its fleet says again.")
    ] = False
    fleet_file: Annotated[
        Path | None, typer.Option(metavar="FLEET.toml", help="The fleet's file; absent: what it was deployed from.")
    ] = None
    plan: Annotated[bool, typer.Option("--plan", help="Only show what would be done.")] = False
    stop: Annotated[
        bool, typer.Option(help="Stop it if the change needs it; else it takes effect at its next start.")
    ] = True
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan, or the machine, as JSON.")] = False


def set_machine(options: SetOptions) -> None:
    """Change one machine of a fleet, and keep it so: later deploys of the fleet leave it as it was set.

    What the fleet's file says of the machine itself ('[machines.NAME]') wins over it; docs/fleets.md says more. A
    machine that runs is asked to shut down where the change needs it, and started again.

    Examples:

      imgpipe machines set vm003 --memory 4G --vcpus 8

      imgpipe machines set vm003 --bridge br1 --bridge br2 --plan

      imgpipe machines set vm003 --root-password file:vm003.hash --no-stop

      imgpipe machines set vm003 --reset
    """
    from imgpipe.cli.shop import connected, hear
    from imgpipe.deploy.bring_up import fleet_lock

    with connected(planned=options.plan) as hypervisor:
        machine = _of_a_fleet(options.name, hypervisor)
        described = _described(machine, options)
        if options.plan:
            _show(*_planned(described, options, hypervisor), options)
            return
        with fleet_lock(context.store(), _fleet_of(machine), hear):
            # Looked at again: a deploy may have changed what the fleet is, before the lock was ours.
            _carry_out(_described(machine, options), options, hypervisor)


def _carry_out(described: Description, options: SetOptions, hypervisor: Hypervisor) -> None:
    from imgpipe.cli import machine_views
    from imgpipe.cli.deploy import ask
    from imgpipe.cli.progress import listener
    from imgpipe.deploy.bring_up import apply
    from imgpipe.events import stage

    plan, settings, shop = _planned(described, options, hypervisor)
    _tell(plan)
    ask(plan, stop=options.stop, yes=options.yes)
    with listener() as notify, stage("deploy", notify):
        apply(plan.changes, replace(shop, notify=notify))
    found = shop.machines.find(options.name)
    if found.record and found.record.settings != settings:
        # What it has of its own is what the fleet says too: nothing else changed.
        shop.machines.set_record(options.name, replace(found.record, settings=settings))
        found = shop.machines.find(options.name)
    if options.as_json:
        output.show_json(machine_views.values(found))
    else:
        output.show_line(f"{options.name}: {_own(settings)}")


def _tell(plan: DeployPlan) -> None:
    """Say what changes, and whether it runs on meanwhile."""
    from imgpipe.cli.deploy_views import about
    from imgpipe.deploy.changes import Modify

    for change in plan.changes:
        if isinstance(change, Modify):
            output.tell(f"{change.machine.name}: {about(change)}.")
    for warning in plan.warnings:
        output.tell(f"warning: {warning}")


def _planned(described: Description, options: SetOptions, hypervisor: Hypervisor) -> tuple[DeployPlan, str, Workshop]:
    """Return the plan for the machine alone, what it will have of its own, and what to carry the plan out with."""
    from imgpipe.cli.fleet_plans import Asked, plan_of
    from imgpipe.cli.shop import Manner, open_shop
    from imgpipe.deploy.own_settings import written

    machine = _of_a_fleet(options.name, hypervisor)
    fleet = _narrowed(described.fleet(), machine)
    key = context.vault(planned=options.plan).digest_key()
    own = _settings(machine, options, key)
    _refuse_what_the_file_says(fleet, own, options)
    manner = Manner(may_stop=options.stop, planned=options.plan)
    pool = machine.record.pool if machine.record else None
    shop = open_shop(hypervisor, pool, manner)
    settings = written(own, machine.uuid, key)
    asked = Asked(
        fleet=fleet,
        planned=options.plan,
        only=machine.name,
        settings=settings,
        disk_format=described.disk_format,
        trusted=described.trusted,
    )
    plan, _ = plan_of(asked, hypervisor, shop)
    return plan, settings, shop


def _settings(machine: ExistingMachine, options: SetOptions, key: bytes) -> OwnSettings:
    """Return what the machine will have of its own: what it has already, and what is said now."""
    from imgpipe.deploy.fleet_files import Flags, shape_of_flags
    from imgpipe.deploy.own_settings import OwnSettings, parsed

    refuse_values_of_virt_install(options.disk, options.network)
    before = OwnSettings()
    if not options.reset:
        try:
            before = parsed(machine.record.settings if machine.record else "", machine.uuid, key)
        except RecipeError as error:
            raise RecipeError(
                f"What '{machine.name}' has of its own is not known: {error}.",
                hint="'--reset' drops it; say everything anew beside that.",
            ) from None
    flags = Flags(
        template="",
        name=machine.name,
        cpus=options.vcpus,
        memory=options.memory,
        disk=options.disk,
        bridges=tuple(options.bridge or ()),
        networks=tuple(options.network or ()),
        addresses=tuple(options.addresses or ()),
        gateway=options.gateway,
        dns=tuple(options.dns or ()),
        key_files=tuple(options.key_file or ()),
        root_password=options.root_password,
    )
    shape = shape_of_flags(flags)
    said: dict[str, Any] = {key: getattr(shape, key) for key in shape.model_fields_set - {"root"}}
    said |= {"keys": shape.root.keys} if options.key_file else {}
    said |= {"password": shape.root.password} if options.root_password else {}
    if not said and not options.reset:
        raise RecipeError(
            f"Nothing was said that '{machine.name}' shall have.", hint="Such as '--memory 4G', or '--reset'."
        )
    return before.model_copy(update=said)


def _narrowed(fleet: Fleet, machine: ExistingMachine) -> Fleet:
    """Return the fleet with nothing but what the machine is made by; it is not started for this alone."""
    from imgpipe.deploy.fleet import Shape

    named = {name: group for group, shape in fleet.groups.items() for name in shape.machines(group)}
    group = named.get(machine.name)
    if group is None:
        raise RecipeError(
            f"The fleet '{fleet.name}' does not name '{machine.name}' any more.",
            hint="Put it into the fleet's file again, or leave it as it is.",
        )
    own = fleet.machines.get(machine.name, Shape()).model_copy(update={"start": False})
    return fleet.model_copy(update={"groups": {group: fleet.groups[group]}, "machines": {machine.name: own}})


def _refuse_what_the_file_says(fleet: Fleet, own: OwnSettings, options: SetOptions) -> None:
    from imgpipe.deploy.own_settings import said_by

    both = [key for key in own.said if key in said_by(fleet.machines.get(options.name))]
    if both:
        raise RecipeError(
            f"The fleet's file itself says what '{options.name}' shall have, and that wins.",
            hint="Change it there and deploy the file, or take it out of it.",
            details=[f"machines.{options.name}: {key}" for key in both],
        )


def _described(machine: ExistingMachine, options: SetOptions) -> Description:
    from imgpipe.deploy.fleet_records import Description, required

    if options.fleet_file is None:
        return required(context.store(), _fleet_of(machine))
    described = Description(file=options.fleet_file.absolute())
    if (name := described.fleet().name) != _fleet_of(machine):
        raise RecipeError(
            f"'{options.fleet_file}' is the fleet '{name}', and '{machine.name}' is of '{_fleet_of(machine)}'.",
            hint="Name that fleet's file.",
        )
    return described


def _of_a_fleet(name: str, hypervisor: Hypervisor) -> ExistingMachine:
    from imgpipe.adapters.machines import Machines
    from imgpipe.deploy.cloning import fleet_of
    from imgpipe.deploy.selection import Choice, chosen

    (machine,) = chosen(Machines(hypervisor).list(), Choice(names=(name,)))
    record = machine.record
    if record is None or record.fleet == fleet_of(record.template):
        raise RecipeError(
            f"'{name}' is a clone of a machine: no fleet says what it shall have.",
            hint=f"Change it by hand: 'virsh edit {quote(name)}'.",
        )
    if not record.complete:
        raise RecipeError(
            f"'{name}' was interrupted while it was made.", hint="Deploy its fleet again, which makes it whole."
        )
    return machine


def _fleet_of(machine: ExistingMachine) -> str:
    return machine.record.fleet if machine.record else ""


def _show(plan: DeployPlan, settings: str, _: Workshop, options: SetOptions) -> None:
    from imgpipe.cli.deploy_views import describe, shown
    from imgpipe.deploy.own_settings import said_in

    if options.as_json:
        output.show_json(shown(plan) | {"own": list(said_in(settings))})
    else:
        output.show_text(f"{describe(plan)}\n\n{options.name}: {_own(settings)}")


def _own(settings: str) -> str:
    from imgpipe.deploy.own_settings import said_in

    own = said_in(settings)
    return f"later deploys keep what it has of its own: {', '.join(own)}" if own else "it is as its fleet says"
