"""`imgpipe clone`: machines like one that is there, each with an identity of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imgpipe.cli import context

if TYPE_CHECKING:
    from imgpipe.adapters.batch_guest import Accelerator
    from imgpipe.deploy.cloned_definition import Source
    from imgpipe.deploy.cloning import Clone, CloneOrder
    from imgpipe.events import Listener
    from imgpipe.os_family import Personalise
    from imgpipe.store import Store

_DANGER = (
    "Linked clones of '{source}' lose their data as soon as '{source}' is started, changed or removed, because they "
    "read its disk. Make them nevertheless?"
)


_Source = Annotated[str, typer.Argument(help="A machine that libvirt has; it must be shut off and never changes.")]
_Names = Annotated[list[str], typer.Argument(help="The clones' names, which are their host names too.")]
_Addresses = Annotated[
    list[str] | None,
    typer.Option(help="Addresses for a NIC: '10.100.1.10-10.100.1.19/24'; once for each NIC, in their order."),
]
_Gateway = Annotated[str | None, typer.Option(help="The gateway, for the NIC in whose network it is.")]
_Dns = Annotated[list[str] | None, typer.Option(help="A name server; may be repeated.")]
_Dhcp = Annotated[
    bool, typer.Option("--dhcp", help="Let all NICs ask by DHCP; beside --addresses, the others always do.")
]
_Key = Annotated[list[Path] | None, typer.Option(help="A file of public keys that root gets besides.")]
_Linked = Annotated[
    bool, typer.Option("--linked", help="Overlays on the source's own disk: dangerous, see the question it asks.")
]
_Pool = Annotated[str | None, typer.Option(help="The storage pool for the disks.")]
_Start = Annotated[bool, typer.Option(help="Start the clones, or leave them off.")]
_Paused = Annotated[bool, typer.Option("--paused", help="Start the clones without letting them run.")]
_Plan = Annotated[bool, typer.Option("--plan", help="Show what would be made, and touch nothing.")]
_Yes = Annotated[bool, typer.Option("--yes", "-y", help="Answer every question with yes.")]
_Json = Annotated[bool, typer.Option("--json", help="Print every event as a line of JSON.")]


def clone(  # noqa: PLR0913, PLR0917 (options, not parameters)
    source: _Source,
    new: _Names,
    addresses: _Addresses = None,
    gateway: _Gateway = None,
    dns: _Dns = None,
    dhcp: _Dhcp = False,
    key: _Key = None,
    linked: _Linked = False,
    pool: _Pool = None,
    start: _Start = True,
    paused: _Paused = False,
    plan: _Plan = False,
    yes: _Yes = False,
    as_json: _Json = False,
) -> None:
    """Clone a machine as virt-clone does, and give each clone its own host name, machine-id and host keys.

    The definition is kept device by device; UUID, MAC addresses, disk and UEFI variables are the clone's own. Without
    '--addresses' or '--dhcp' the network settings inside stay those of the source, static addresses too.

    Example: imgpipe clone vm001 vm005 vm006 --addresses 10.100.1.15-10.100.1.16/24 --gateway 10.100.1.1
    """
    from imgpipe.cli.output import confirm
    from imgpipe.deploy.clone_flags import CloneFlags, order_of

    lists = CloneFlags(names=new, addresses=addresses or (), dns=dns or (), keys=key or ())
    order = order_of(replace(lists, gateway=gateway, dhcp=dhcp, linked=linked))
    if linked and not plan:
        confirm(_DANGER.format(source=source), yes=yes)
    asked = _Asked(order=order, pool=pool, start=start, paused=paused, only_plan=plan, as_json=as_json)
    _show(_clone(source, asked), asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What the options say."""

    order: CloneOrder
    pool: str | None
    start: bool
    paused: bool
    only_plan: bool
    as_json: bool


def _clone(name: str, asked: _Asked) -> tuple[Clone, ...]:
    """Plan, and make what was planned; the source stays as it is."""
    from imgpipe.adapters.machines import Machines
    from imgpipe.adapters.pools import open_pool
    from imgpipe.cli.progress import listener
    from imgpipe.deploy.bring_up import fleet_lock
    from imgpipe.deploy.clone_making import CloneWork, Cloning
    from imgpipe.deploy.cloned_definition import source_of
    from imgpipe.deploy.cloning import check_source_machine, plan_clones
    from imgpipe.deploy.facts import gather
    from imgpipe.events import stage

    store = context.store()
    with listener(asked.as_json, ("clone",)) as notify, closing(context.hypervisor(notify)) as hypervisor:
        machines = Machines(hypervisor)
        xml = machines.xml(name)
        source = source_of(xml)
        pool = open_pool(hypervisor, asked.pool, store.root / "machines", notify)
        trusted = (store.root, pool.path)
        used = check_source_machine(source, active=name in machines.active(), local=pool.local, trusted=trusted)
        with fleet_lock(store, f"clones-of-{name}", notify):
            clones = plan_clones(asked.order, source, used, gather(hypervisor, pool))
            if asked.only_plan:
                return clones
            work = CloneWork(
                machines=machines,
                pool=pool,
                pool_of=lambda other: open_pool(hypervisor, other, store.root / "machines", notify),
                accelerator=hypervisor.accelerator(),
                notify=notify,
                log=store.root / "work" / "clone.log",
                finished=_as_root_if_needed(hypervisor.uri, notify),
                start=asked.start,
                paused=asked.paused,
            )
            with stage("clone", notify):
                personalise = _personalise(source, asked.order, store, work.accelerator)
                Cloning(source, xml, personalise, work).run(clones)
    return clones


def _personalise(source: Source, order: CloneOrder, store: Store, accelerator: Accelerator) -> Personalise:
    """Look which network tool the system has, where that is needed."""
    from imgpipe.deploy.foreign import personalise_of
    from imgpipe.deploy.foreign_template import look
    from imgpipe.os_family import Personalise

    if not order.sets_network:
        return Personalise(way="first-boot", network="none")
    return personalise_of(look(source.disk, store, accelerator).facts)


def _as_root_if_needed(uri: str, notify: Listener) -> Callable[[str], str]:
    from imgpipe.adapters.qemu_user import run_as_root_if_needed

    def finished(xml: str) -> str:
        return run_as_root_if_needed(xml, notify) if uri == "qemu:///system" and "<seclabel" not in xml else xml

    return finished


def _show(clones: tuple[Clone, ...], asked: _Asked) -> None:
    """Print the clones as a table, or as a last event in JSON."""
    from imgpipe.cli.output import show_line, show_table

    kept = "DHCP" if asked.order.dhcp else "as in the source"
    rows = [
        {
            "machine": one.name,
            "addresses": ", ".join(one.record.addresses) or kept,
            "mac": ", ".join(one.macs),
            "disk": "linked" if one.record.linked else "copied",
        }
        for one in clones
    ]
    if asked.as_json:
        show_line(json.dumps({"event": "clones", "state": "planned" if asked.only_plan else "made", "machines": rows}))
    else:
        show_table(rows)
