"""`imgpipe machines`: the machines that imgpipe made."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from imgpipe.cli import context, output
from imgpipe.cli.commands import OnceCommand
from imgpipe.cli.completion import complete_fleet, complete_group, complete_machine
from imgpipe.cli.machine_set import SetOptions, set_machine
from imgpipe.cli.option_table import with_options
from imgpipe.errors import GuestError, HostError, RecipeError

if TYPE_CHECKING:
    from imgpipe.adapters.hypervisor import Hypervisor
    from imgpipe.deploy.existing import ExistingMachine
    from imgpipe.deploy.selection import Choice
    from imgpipe.events import Listener

# libvirt's daemon takes five calls of a connection at a time, and meanwhile hears nothing else, no sign of life either:
# its default of max_client_requests. A daemon that is slow to end eight machines would be taken for a dead one.
_AT_ONCE = 4

app = typer.Typer(help="List, start, stop, change, reach and remove the machines that imgpipe made.")
app.command("set", cls=OnceCommand)(with_options(set_machine, SetOptions))


Names = Annotated[
    list[str] | None, typer.Argument(metavar="[MACHINE...]", autocompletion=complete_machine, show_default=False)
]
Name = Annotated[str, typer.Argument(metavar="MACHINE", autocompletion=complete_machine)]
Fleet = Annotated[str | None, typer.Option("--fleet", "-F", help="All of a fleet.", autocompletion=complete_fleet)]
Group = Annotated[str | None, typer.Option("--group", "-g", help="All of a group.", autocompletion=complete_group)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback(invoke_without_command=True)
def machines(called: typer.Context) -> None:
    """List, start, stop, change, reach and remove the machines that imgpipe made; alone, list them all."""
    if called.invoked_subcommand is None:
        list_machines()


@app.command("list", epilog="Example: imgpipe machines list --fleet shop --output ansible > inventory.yml")
def list_machines(
    names: Names = None,
    fleet: Fleet = None,
    group: Group = None,
    form: Annotated[
        Literal["ansible", "ssh-config"] | None, typer.Option("--output", "-o", help="An inventory, or for ssh.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List machines: what they do, what they were made from, where they are reached, what their disks use."""
    from imgpipe.adapters.machines import Machines
    from imgpipe.cli import machine_views
    from imgpipe.cli.shop import connected
    from imgpipe.deploy.selection import chosen

    choice = _choice(names, fleet, group)
    with connected() as hypervisor:
        every = Machines(hypervisor).list()
    found = chosen(every, choice)
    if choice.is_empty:
        found += tuple(machine for machine in every if machine.stranger)
    machine_views.show(found, form, every, as_json=as_json)
    if not found and not as_json:
        output.tell("There is no machine of imgpipe's here.")


@app.command(epilog="Example: imgpipe machines start web-01 web-02")
def start(names: Names = None, fleet: Fleet = None, group: Group = None, as_json: AsJson = False) -> None:
    """Start machines; those that run already are fine."""
    from imgpipe.adapters.machines import Machines
    from imgpipe.cli.shop import connected
    from imgpipe.deploy.built_upon import require_nothing_above

    with connected() as hypervisor:
        machines = Machines(hypervisor)
        found = _asked(hypervisor, _choice(names, fleet, group))
        _require_disks(found)
        if hypervisor.local:
            require_nothing_above(found, machines)
        _each(found, lambda machine: machines.start(machine.name))
    _say("started", found, as_json=as_json)


@app.command(epilog="Example: imgpipe machines stop --fleet shop --seconds 300")
def stop(
    names: Names = None,
    fleet: Fleet = None,
    group: Group = None,
    seconds: Annotated[int, typer.Option(min=1, help="How long guests may take.")] = 120,
    force: Annotated[bool, typer.Option("--force", help="End at once; guests lose what they did not write.")] = False,
    as_json: AsJson = False,
) -> None:
    """Ask guests to shut down, and wait until they did."""
    from imgpipe.adapters.machines import Machines
    from imgpipe.cli.shop import connected

    late: list[str] = []
    with connected() as hypervisor:
        machines = Machines(hypervisor)

        def end(machine: ExistingMachine) -> None:
            if force:
                machines.force_stop(machine.name)
            elif not machines.stop(machine.name, seconds):
                late.append(machine.name)

        found = _asked(hypervisor, _choice(names, fleet, group))
        if any(machine.active for machine in found) and not force:
            output.tell(f"Asking the guests to shut down; each may take {seconds} s.")
        _each(found, end)
    _say("stopped", tuple(machine for machine in found if machine.name not in late), as_json=as_json)
    if late:
        raise GuestError(
            f"Not every guest shut down within {seconds} seconds.",
            hint="Look at its console, or end it with '--force'.",
            details=sorted(late),
        )


@app.command(epilog="Example: imgpipe machines destroy --fleet shop --yes")
def destroy(  # noqa: PLR0913, PLR0917 (typer's way: an option each)
    names: Names = None,
    fleet: Fleet = None,
    group: Group = None,
    leftover: Annotated[
        list[str] | None,
        typer.Option("--leftover", metavar="[POOL/]VOLUME", help="Delete a volume that no machine has any more."),
    ] = None,
    despite_unknown: Annotated[
        bool,
        typer.Option("--despite-unknown", help="You know that nobody needs the disks: what cannot be seen does not."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove machines with all that is theirs: disk, seed, UEFI variables, metadata. Nothing is left."""
    if leftover:
        if names or fleet or group:
            raise RecipeError("'--leftover' names a volume, and no machine.", hint="Give one of both.")
        _destroy_leftovers(leftover, trusting=despite_unknown, yes=yes, as_json=as_json)
        return
    _destroy_machines(_choice(names, fleet, group), trusting=despite_unknown, yes=yes, as_json=as_json)


@app.command(epilog="Example: imgpipe machines forget web-01")
def forget(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Drop imgpipe's metadata from a machine, a copied one too: machine and disk stay, and are yours."""
    from imgpipe.adapters.machines import Machines
    from imgpipe.cli.shop import connected

    with connected() as hypervisor:
        machines = Machines(hypervisor)
        found = machines.find(name)
        if not (found.record or found.stranger):
            raise RecipeError(f"The machine '{name}' has no metadata of imgpipe's.", hint="There is nothing to forget.")
        output.confirm(f"Leave '{name}' to you, with its disk '{found.disk}'?", yes=yes)
        machines.drop_record(name)
    _say("forgotten", (found,), as_json=as_json)


@app.command()
def flatten(names: Names = None, fleet: Fleet = None, group: Group = None, as_json: AsJson = False) -> None:
    """Make linked machines independent of their template; those that run go on meanwhile.

    Example: imgpipe flatten db-primary
    """
    from imgpipe.cli.progress import listener
    from imgpipe.cli.shop import Manner, connected, open_shop
    from imgpipe.deploy.definitions import disk_target
    from imgpipe.deploy.flatten import flatten as make_independent
    from imgpipe.events import stage

    with connected() as hypervisor:
        found = _asked(hypervisor, _choice(names, fleet, group))
        shop = open_shop(hypervisor, _pool_of(found), Manner())
        with listener() as notify, stage("flatten", notify):
            # One after the other: each reads and writes a whole disk.
            for machine in found:
                target = disk_target(shop.machines.xml(machine.name))
                make_independent(machine, target, shop, _teller(machine.name, notify))
    _say("independent", found, as_json=as_json)


@app.command("export-fleet", epilog="Example: imgpipe machines export-fleet web > web.toml")
def export_fleet(
    fleet: Annotated[str, typer.Argument(metavar="FLEET", autocompletion=complete_fleet)],
) -> None:
    """Print a fleet that options made as a file: deployed, it changes nothing, and can be changed from then on."""
    from imgpipe.cli.fleet_export import fleet_text
    from imgpipe.deploy.fleet_records import required

    output.show_text(fleet_text(required(context.store(), fleet), f"{fleet}.toml").rstrip("\n"))


@app.command(epilog="Example: imgpipe machines console web-01")
def console(name: Name) -> None:
    """Open the serial console; Ctrl-] leaves it."""
    from imgpipe.adapters.handover import hand_over
    from imgpipe.cli.shop import connected

    with connected() as hypervisor:
        machine = _running(hypervisor, name)
        uri = hypervisor.uri
    hand_over("virsh", "--connect", uri, "console", "--", machine.name)


@app.command(
    epilog="Example: imgpipe machines ssh web-01 -- journalctl --boot",
    context_settings={"ignore_unknown_options": True},
)
def ssh(
    name: Name,
    command: Annotated[list[str] | None, typer.Argument(metavar="[-- COMMAND...]", show_default=False)] = None,
    user: Annotated[
        str | None, typer.Option("--user", "-l", help="Who to log in as; absent: whom the deploy lets in.")
    ] = None,
) -> None:
    """Log in by ssh, at the address that imgpipe gave the machine or that it last said it had.

    The machine is known by the host keys that its guest has told through libvirt, so ssh asks nothing.
    """
    from imgpipe.adapters.handover import hand_over
    from imgpipe.adapters.machines import Machines
    from imgpipe.cli.shop import connected
    from imgpipe.cli.ssh_access import ssh_command

    with connected() as hypervisor:
        machine = _running(hypervisor, name)
        words = ssh_command(machine, Machines(hypervisor), user, command or ())
    hand_over(*words)


def _destroy_machines(choice: Choice, *, trusting: bool, yes: bool, as_json: bool) -> None:
    from imgpipe.cli.shop import Manner, connected, hear, open_shop
    from imgpipe.deploy.bring_up import fleet_lock, remove
    from imgpipe.deploy.faults import listed
    from imgpipe.deploy.selection import require_a_choice

    require_a_choice(choice)
    with connected() as hypervisor, ExitStack() as locks:
        found = _chosen(hypervisor, choice)
        _name_overlays(found, hypervisor)
        output.confirm(f"Remove {listed(machine.name for machine in found)}, with all that is on the disks?", yes=yes)
        for name in sorted({machine.record.fleet for machine in found if machine.record}):
            locks.enter_context(fleet_lock(context.store(), name, hear))
        # Looked at again: somebody may have been at work before the locks were ours.
        asked = {machine.uuid for machine in found}
        found = tuple(one for one in _chosen(hypervisor, _choice(None, None, None)) if one.uuid in asked)
        manner = Manner(at_once=_AT_ONCE, despite_unknown=trusting)
        remove(found, open_shop(hypervisor, _pool_of(found), manner))
    _say("removed", found, as_json=as_json)


def _name_overlays(machines: tuple[ExistingMachine, ...], hypervisor: Hypervisor) -> None:
    """Say which overlays of external snapshots go with machines."""
    from imgpipe.adapters.machines import Machines
    from imgpipe.deploy.snapshots import overlays

    known = Machines(hypervisor)
    for machine in machines:
        made = [path for path in known.snapshot_files(machine.name) if known.is_there(path) is not False]
        if names := overlays(machine, made):
            output.tell(f"With '{machine.name}' goes what its snapshots made: {', '.join(names)}.")


def _destroy_leftovers(named: list[str], *, trusting: bool, yes: bool, as_json: bool) -> None:
    from imgpipe.cli.shop import Manner, connected, look_around, with_pool
    from imgpipe.deploy.faults import listed
    from imgpipe.deploy.removal import remove_leftover, require_leftover, require_volume

    with connected() as hypervisor:
        found = []
        for place in dict.fromkeys(named):
            pool, _, volume = place.rpartition("/")
            seen = look_around(hypervisor, pool or None, Manner())
            require_volume(volume, seen.pool)
            found.append((place, volume, with_pool(seen, hypervisor, pool or None)))
        # All before the first goes: what is refused leaves everything as it is.
        for _, volume, shop in found:
            require_leftover(volume, shop.machines, shop.pool, trusting=trusting)
        output.confirm(f"Delete {listed(place for place, _, _ in found)}, with all that is on it?", yes=yes)
        for place, volume, shop in found:
            remove_leftover(volume, shop.machines, shop.pool, trusting=trusting)
            shop.pool.refresh()
            if not as_json:
                output.show_line(f"{place}: removed")
    if as_json:
        output.show_json({"removed": [place for place, _, _ in found]})


def _require_disks(machines: tuple[ExistingMachine, ...]) -> None:
    for machine in machines:
        if machine.disk_missing:
            raise HostError(
                f"The disk '{machine.disk}' of '{machine.name}' is missing.",
                hint=f"Put it back, or remove the machine: 'imgpipe machines destroy {quote(machine.name)}'.",
            )


def _choice(names: list[str] | None, fleet: str | None, group: str | None) -> Choice:
    from imgpipe.deploy.selection import Choice

    return Choice(names=tuple(names or ()), fleet=fleet, group=group)


def _chosen(hypervisor: Hypervisor, choice: Choice) -> tuple[ExistingMachine, ...]:
    from imgpipe.adapters.machines import Machines
    from imgpipe.deploy.selection import chosen

    return chosen(Machines(hypervisor).list(), choice)


def _asked(hypervisor: Hypervisor, choice: Choice) -> tuple[ExistingMachine, ...]:
    """Return the machines that a command shall act on; never all because nothing was said."""
    from imgpipe.deploy.selection import require_a_choice

    require_a_choice(choice)
    return _chosen(hypervisor, choice)


def _running(hypervisor: Hypervisor, name: str) -> ExistingMachine:
    (machine,) = _asked(hypervisor, _choice([name], None, None))
    if not machine.active:
        raise RecipeError(f"The machine '{name}' is off.", hint=f"Start it: 'imgpipe machines start {quote(name)}'.")
    return machine


def _pool_of(machines: tuple[ExistingMachine, ...]) -> str | None:
    """Return a pool that the machines are in, so that no other is opened or made for their sake."""
    return next((machine.record.pool for machine in machines if machine.record), None)


def _each(machines: tuple[ExistingMachine, ...], act: Callable[[ExistingMachine], None]) -> None:
    from imgpipe.deploy.parallel import each

    each(machines, act, _AT_ONCE, lambda _: None)


def _teller(name: str, notify: Listener) -> Callable[[float], None]:
    """Return what tells how far the copy of a machine's disk is."""
    from imgpipe.events import Progress

    phase = f"Copying the disk of '{name}'"
    return lambda percent: notify(Progress(stage="flatten", phase=phase, percent=percent))


def _say(done: str, machines: tuple[ExistingMachine, ...], *, as_json: bool) -> None:
    names = [machine.name for machine in machines]
    if as_json:
        output.show_json({done: names})
    else:
        output.show_lines(f"{name}: {done}" for name in names)
