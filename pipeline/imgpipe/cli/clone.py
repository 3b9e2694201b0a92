"""`imgpipe clone`: machines like one that is there, each with an identity of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imgpipe.cli import context, output
from imgpipe.cli.completion import complete_domain, complete_pool
from imgpipe.cli.option_table import with_options

if TYPE_CHECKING:
    from imgpipe.adapters.hypervisor import Hypervisor
    from imgpipe.deploy.clone_making import CloneWork
    from imgpipe.deploy.cloned_definition import Source
    from imgpipe.deploy.cloning import Clone, CloneOrder
    from imgpipe.deploy.workshop import Workshop
    from imgpipe.disk_source import CheckedDisk
    from imgpipe.events import Listener
    from imgpipe.os_family import Personalise

_DANGER = (
    "Linked clones read the disk of '{source}': as soon as that is started, changed or removed, they are damaged for "
    "good. Make them nevertheless?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CloneOptions:
    """What `imgpipe clone` was given."""

    source: Annotated[
        str,
        typer.Argument(
            help="A machine that libvirt has; it must be shut off and never changes.", autocompletion=complete_domain
        ),
    ]
    new: Annotated[list[str], typer.Argument(help="The clones' names, which are their host names too.")]
    addresses: Annotated[
        list[str] | None,
        typer.Option(metavar="FIRST-LAST/PREFIX", help="One for each NIC, in order: a range, or 'dhcp'."),
    ] = None
    gateway: Annotated[str | None, typer.Option(help="Of the NIC in whose network it is.")] = None
    dns: Annotated[list[str] | None, typer.Option(help="A name server; may be repeated.")] = None
    dhcp: Annotated[bool, typer.Option("--dhcp", help="Let all NICs ask by DHCP.")] = False
    same_addresses: Annotated[
        bool, typer.Option("--same-addresses", help="Let the clones have the source's static addresses, too.")
    ] = False
    key_file: Annotated[list[Path] | None, typer.Option(help="Public keys that may log in as root, besides.")] = None
    linked: Annotated[
        bool, typer.Option("--linked", help="Overlays on the source's own disk. Dangerous: it asks first.")
    ] = False
    pool: Annotated[
        str | None, typer.Option(help="The storage pool of libvirt for the disks.", autocompletion=complete_pool)
    ] = None
    trust_backing: Annotated[
        list[Path] | None,
        typer.Option(metavar="FOLDER", help="The disk's backing files may lie below this folder; may be repeated."),
    ] = None
    start: Annotated[bool, typer.Option(help="Start the clones.")] = True
    plan: Annotated[bool, typer.Option("--plan", help="Only show what would be done.")] = False
    as_json: Annotated[bool, typer.Option("--json", help="Print every event as a line of JSON.")] = False
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False
    paused: Annotated[bool, typer.Option("--paused", hidden=True, help="Start, but do not let them run.")] = False


def _clone(options: CloneOptions) -> None:
    """Clone a machine as virt-clone does, and give each clone its own host name, machine-id and host keys.

    The definition is kept device by device; UUID, MAC addresses, disk and UEFI variables are the clone's own. Without
    '--addresses' or '--dhcp' the network settings inside stay those of the source; static addresses that imgpipe knows
    of are refused then, unless '--same-addresses' says that they are meant.

    Examples:

      imgpipe clone vm001 vm005

      imgpipe clone vm001 vm005 vm006 --addresses 10.100.1.15-10.100.1.16/24 --gateway 10.100.1.1
    """
    from imgpipe.deploy.clone_flags import CloneFlags, order_of

    order = order_of(
        CloneFlags(
            names=options.new,
            addresses=options.addresses or (),
            gateway=options.gateway,
            dns=options.dns or (),
            keys=options.key_file or (),
            dhcp=options.dhcp,
            same_addresses=options.same_addresses,
            linked=options.linked,
        )
    )
    if options.linked and not options.plan:
        output.confirm(_DANGER.format(source=options.source), yes=options.yes)
    source, clones = _carry_out(order, options)
    _show(source, clones, options)


clone = with_options(_clone, CloneOptions)


def _carry_out(order: CloneOrder, options: CloneOptions) -> tuple[Source, tuple[Clone, ...]]:
    """Plan, and make what was planned; the source stays as it is."""
    from imgpipe.cli.progress import listener
    from imgpipe.cli.readiness import require_for_clone
    from imgpipe.cli.shop import Manner, connected, hear, look_around, with_pool
    from imgpipe.deploy.bring_up import fleet_lock
    from imgpipe.deploy.clone_making import Cloning
    from imgpipe.deploy.cloned_definition import source_of
    from imgpipe.deploy.cloning import check_source_machine, fleet_of, plan_clones
    from imgpipe.deploy.facts import gather
    from imgpipe.events import Note, stage
    from imgpipe.host.room import allocated
    from imgpipe.stages.watching import ended_by_sigterm

    name = options.source
    output.tell(f"Looking at the machine '{name}'; it is not changed.")
    # A plan makes nothing, not even the lock's file.
    locked = nullcontext() if options.plan else fleet_lock(context.store(), fleet_of(name), hear)
    with connected(planned=options.plan) as hypervisor, locked:
        shop = look_around(hypervisor, options.pool, Manner(paused=options.paused, planned=options.plan))
        xml = shop.machines.xml(name)
        source = source_of(xml)
        if source.left_out:
            hear(Note(text=f"The clones get none of these: {', '.join(source.left_out)}."))
        trusted = tuple(options.trust_backing or ())
        active = name in shop.machines.active()
        disk = check_source_machine(
            source, active=active, local=shop.pool.local, trusted=trusted, images=shop.store.images
        )
        clones = plan_clones(order, source, allocated(disk), gather(hypervisor, shop.pool))
        _tell(order, name)
        if not options.plan:
            if hypervisor.local:
                require_for_clone(name, disk, shop.pool.path)
            shop = with_pool(shop, hypervisor, options.pool)
            with listener(options.as_json, ("clone",)) as notify, stage("clone", notify), ended_by_sigterm():
                personalise = _personalise(disk, order, shop, hypervisor)
                work = _work(shop, hypervisor, notify, start=options.start)
                Cloning(source, disk, xml, personalise, work).run(clones)
    return source, clones


def _tell(order: CloneOrder, source: str) -> None:
    """Say who can log in to the clones, and whose network settings they have."""
    from imgpipe.cli.shop import hear
    from imgpipe.events import Note

    count = len(order.keys)
    more = f", and root by {count} more key{'s' * (count > 1)}" if count else ""
    hear(Note(text=f"Log in to the clones: whoever can log in to '{source}'{more}."))
    if not order.sets_network:
        text = f"The clones keep the network settings of '{source}', and static addresses with them."
        hear(Note(text=text, warning=True))


def _work(shop: Workshop, hypervisor: Hypervisor, notify: Listener, *, start: bool) -> CloneWork:
    from imgpipe.deploy.clone_making import CloneWork

    return CloneWork(
        machines=shop.machines,
        pool=shop.pool,
        pool_of=shop.pool_of,
        accelerator=hypervisor.accelerator(),
        notify=notify,
        log=shop.store.root / "work" / "clone.log",
        finished=_as_root_if_needed(hypervisor.uri, notify),
        start=start,
        paused=shop.paused,
    )


def _personalise(disk: CheckedDisk, order: CloneOrder, shop: Workshop, hypervisor: Hypervisor) -> Personalise:
    """Look which network tool the system has, where that is needed."""
    from imgpipe.deploy.foreign import personalise_of
    from imgpipe.deploy.foreign_template import look
    from imgpipe.os_family import Personalise

    if not order.sets_network:
        return Personalise(way="first-boot", network="none")
    return personalise_of(look(disk, shop.store, hypervisor.accelerator()).facts)


def _as_root_if_needed(uri: str, notify: Listener) -> Callable[[str], str]:
    from imgpipe.adapters.qemu_user import run_as_root_if_needed

    def finished(xml: str) -> str:
        return run_as_root_if_needed(xml, notify) if uri == "qemu:///system" and "<seclabel" not in xml else xml

    return finished


def _show(source: Source, clones: tuple[Clone, ...], options: CloneOptions) -> None:
    """Print the clones as a table, a NIC's part of a column at its place; or as a last event in JSON."""
    rows = [
        {
            "machine": one.name,
            **_nics(one, source),
            "mac": ", ".join(one.macs),
            "disk": "linked" if one.record.linked else "copied",
        }
        for one in clones
    ]
    if options.as_json:
        state = "planned" if options.plan else "made"
        output.show_line(json.dumps({"event": "clones", "state": state, "machines": rows}))
    else:
        output.show_table(rows)


def _nics(clone: Clone, source: Source) -> dict[str, str]:
    nics = clone.identity.nics
    dns = " ".join(str(server) for nic in nics for server in nic.dns)
    return {
        "addresses": ", ".join(str(nic.address or "DHCP") for nic in nics) or "as in the source",
        "bridges": ", ".join(plug or "-" for plug in source.plugs),
        "gateway": next((str(nic.gateway) for nic in nics if nic.gateway), "-"),
        "dns": dns or "-",
    }
