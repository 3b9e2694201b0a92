"""`imgpipe host network`: bridges for machines on a host that is reached over the NICs that change."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from imgpipe.cli import context, output
from imgpipe.errors import HostError, RecipeError

if TYPE_CHECKING:
    from imgpipe.adapters.network_manager import NetworkManager
    from imgpipe.host.network.changing import Host
    from imgpipe.host.network.records import Places
    from imgpipe.host.network.wanted import HostNetwork

app = typer.Typer(
    help="Put this host's NICs into bridges, safely: what is not confirmed undoes itself.", no_args_is_help=True
)

HostFile = Annotated[
    Path | None,
    typer.Argument(
        metavar="[HOST.toml]", help="The wanted network; absent: that applied last. See 'imgpipe host network schema'."
    ),
]
OutsideNic = Annotated[str | None, typer.Option("--outside", metavar="NIC", help="The NIC of the outside network.")]
InsideNic = Annotated[str | None, typer.Option("--inside", metavar="NIC", help="The NIC of the inside network.")]
InsideAddress = Annotated[
    str | None, typer.Option("--inside-address", metavar="IP/PREFIX", help="The host's address on it; else DHCP.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("plan", epilog="Example: imgpipe host network plan --outside eth0 --inside eth1")
def plan_network(
    file: HostFile = None,
    outside: OutsideNic = None,
    inside: InsideNic = None,
    inside_address: InsideAddress = None,
    as_json: AsJson = False,
) -> None:
    """Show the profiles, their order, and which old ones they replace; nothing is touched.

    Where netplan, ifupdown or systemd-networkd has the network in hand, what to write for it is told instead, with
    exit code 3.
    """
    from imgpipe.cli import host_views
    from imgpipe.host.network.planning import make_plan

    # Only root reads the keyfiles that are there.
    only_root()
    network = _wanted(file, _flags(outside, inside, inside_address))
    with _opened(network) as host:
        plan = make_plan(network, host.look(), lambda: "(a fresh one)")
    _warn_of_firewall(plan.zones)
    _warn_of_losses(plan.lost)
    if as_json:
        output.show_json(host_views.plan_for_programs(plan))
    else:
        output.show_lines(host_views.plan_lines(plan))


@app.command("apply", epilog="Example: imgpipe host network apply host.toml")
def apply_network(
    file: HostFile = None,
    outside: OutsideNic = None,
    inside: InsideNic = None,
    inside_address: InsideAddress = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before it is changed.")] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Confirm at once if the verification succeeds; not over SSH.")
    ] = False,
) -> None:
    """Change the network, verify it, and undo it unless 'imgpipe host network confirm' follows in time."""
    import uuid

    from imgpipe.cli import host_views
    from imgpipe.host.network import changing
    from imgpipe.host.network.planning import make_plan

    only_root()
    network = _wanted(file, _flags(outside, inside, inside_address))
    with _opened(network) as host:
        plan = make_plan(network, host.look(), lambda: str(uuid.uuid4()))
        _warn_of_firewall(plan.zones)
        _warn_of_losses(plan.lost)
        if not plan.changes:
            output.tell("Nothing is to be changed.")
            return
        for line in host_views.summary(plan):
            output.tell(line)
        output.confirm("Change this host's network?", yes=yes)
        output.show_lines(host_views.finding_lines(changing.apply(plan, host)))
        if keep:
            output.tell(f"Kept; what was before is in '{changing.confirm(host)}'.")
            return
    output.tell(
        f"It works, and undoes itself in {network.confirm_within} s. Connect to this host anew, "
        "and keep it with 'imgpipe host network confirm'."
    )


@app.command("confirm", epilog="Example: imgpipe host network confirm")
def confirm_network() -> None:
    """Keep the change for good: the profiles go to /etc, the old ones stay there and no longer come up."""
    from imgpipe.host.network import changing

    only_root()
    with _opened(None) as host:
        folder = changing.confirm(host)
    output.tell(f"Kept; what was before is in '{folder}', and 'imgpipe host network rollback' brings it back.")


@app.command("rollback", epilog="Example: imgpipe host network rollback")
def roll_back_network() -> None:
    """Undo the change that waits for its confirmation, or else the newest confirmed one."""
    from imgpipe.host.network import changing

    only_root()
    with _opened(None) as host:
        changing.roll_back(host)
    output.tell("The network is as it was before.")


@app.command("check", epilog="Example: imgpipe host network check --json")
def check_network(file: HostFile = None, as_json: AsJson = False) -> None:
    """Check that addresses are on the bridges, NICs forward, and the gateway answers.

    Without a file, it is the network that was applied last.
    """
    from imgpipe.adapters import host_network, links
    from imgpipe.cli import host_views
    from imgpipe.host.network.verification import findings

    network = _wanted(file, {}) if file else _applied()
    output.tell("Looking at the bridges and asking the gateway.")
    found = findings(network, host_network.look(None, _places()), links.answers)
    if as_json:
        output.show_json(host_views.findings_for_programs(found))
    else:
        output.show_lines(host_views.finding_lines(found))
    _warn_of_firewall({segment.bridge: "" for segment in network.segments})
    if not all(finding.ok for finding in found):
        raise HostError("This host's network is not what was wanted.", hint="'imgpipe host network apply' mends it.")


@app.command("schema", epilog="Example: imgpipe host network schema > host.schema.json")
def schema() -> None:
    """Print the JSON Schema of host.toml, for editors that check TOML."""
    from imgpipe.toml_schemas import host_schema

    output.show_json(host_schema())


def _warn_of_losses(lost: Iterable[str]) -> None:
    for sentence in lost:
        output.tell(f"warning: {sentence}")


def _warn_of_firewall(zones: dict[str, str]) -> None:
    """Say what of the firewall will keep machines on these bridges from the outside; `zones` are the profiles' own."""
    from imgpipe.adapters import firewall
    from imgpipe.host.network.firewall import warnings

    for bridge, zone in zones.items():
        for warned in warnings(firewall.look(bridge, zone)):
            output.tell(f"warning: {warned.text} Mend it: {'; '.join(warned.commands)}")


def _flags(outside: str | None, inside: str | None, inside_address: str | None) -> dict[str, Any]:
    """Return the options as the table that the file would be."""
    if inside_address and not inside:
        raise RecipeError("'--inside-address' needs '--inside'.")
    table: dict[str, Any] = {"outside": {"nic": outside}} if outside else {}
    if inside:
        table["inside"] = {"nic": inside, **({"address": inside_address} if inside_address else {})}
    return table


def _wanted(file: Path | None, flags: dict[str, Any]) -> HostNetwork:
    from imgpipe.host.network import wanted

    if file and flags:
        raise RecipeError("Give a file or options, not both.")
    if file:
        return wanted.read(file)
    if not flags:
        return _applied(
            "Which NICs shall be bridged? None were on this host yet.",
            "Give a host.toml, or '--outside' and '--inside' with a NIC each; 'ip link' shows them.",
        )
    return wanted.checked(flags, "The command line")


def _applied(
    nothing: str = "No network was applied on this host yet.", hint: str = "Name the host.toml to check against."
) -> HostNetwork:
    """Return the network that was applied last, confirmed or not; raises RecipeError `nothing` where none was."""
    from imgpipe.host.network import records

    places = _places()
    change = records.read_change(places.pending)
    network = change.network if change else records.newest_network(places)
    if network is None:
        raise RecipeError(nothing, hint=hint)
    return network


def _places() -> Places:
    from imgpipe.host.network.records import Places

    return Places(kept=context.store().root / "host-network")


def only_root() -> None:
    """Raise HostError for anybody else."""
    if os.geteuid() != 0:
        raise HostError("Only root looks after a host's network.", hint="Run it with sudo.")


@contextmanager
def _opened(network: HostNetwork | None) -> Iterator[Host]:
    """Connect to NetworkManager; raises HostError that says what to write where another tool has the network."""
    from imgpipe.adapters import host_network, links
    from imgpipe.adapters.network_manager import NetworkManager
    from imgpipe.host.network.changing import Host

    if network is not None:
        _refuse_other_tools(network)
    manager: NetworkManager = NetworkManager()
    places = _places()
    try:
        yield Host(
            manager=manager,
            look=lambda: host_network.look(manager, places),
            answers=links.answers,
            plug=links.plug,
            places=places,
            tell=output.tell,
        )
    finally:
        manager.close()


def _refuse_other_tools(network: HostNetwork) -> None:
    from imgpipe.adapters import host_network
    from imgpipe.host.network import other_tools
    from imgpipe.host.network.planning import losses

    tool = other_tools.tool_of(Path("/"), network.nics)
    if tool is None:
        return
    facts = host_network.look(None, _places())
    _warn_of_losses(losses(network, facts))
    macs = {link.name: link.mac for link in facts.links}
    if absent := [nic for nic in network.nics if nic not in macs]:
        # A bridge has the address of its NIC, so without it there is no file to write.
        raise HostError(
            "This host cannot have that network.",
            details=(f"{nic}: there is no such NIC; the host has {', '.join(macs) or 'none'}" for nic in absent),
            hint="'ip link' shows its devices.",
        )
    advice = other_tools.ADVICE[tool]
    raise HostError(
        f"This host's network is in the hands of {tool}, which imgpipe does not change; this is what to write to "
        f"'{advice.path}'.",
        details=advice.render(network, macs).splitlines(),
        hint=advice.then,
    )
