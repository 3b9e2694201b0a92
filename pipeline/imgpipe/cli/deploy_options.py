"""The options of `imgpipe deploy`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from imgpipe.cli.completion import (
    complete_bridge,
    complete_fleet,
    complete_network,
    complete_pool,
    complete_template,
)

Cache = Literal["none", "writeback", "writethrough", "directsync", "unsafe"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployOptions:
    """What `imgpipe deploy` was given; what is None was not said."""

    what: Annotated[
        str | None,
        typer.Argument(
            metavar="TEMPLATE|FLEET.toml",
            help="An image, NAME or NAME@VERSION; or a fleet's file.",
            autocompletion=complete_template,
            show_default=False,
        ),
    ] = None
    name: Annotated[
        str | None, typer.Option(help="The machine; with --count the fleet. A pattern such as 'web-{n:03}' too.")
    ] = None
    count: Annotated[int | None, typer.Option(min=1, help="How many: NAME-01, NAME-02 and so on.")] = None
    first: Annotated[int | None, typer.Option(min=0, help="The number of the first.")] = None
    vcpus: Annotated[int | None, typer.Option(min=1, help="Absent: the template's.")] = None
    memory: Annotated[str | None, typer.Option(metavar="SIZE", help="With its unit: '4 GiB', 4G or 2048M.")] = None
    disk: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Such as 40G: at least the template's; it grows.")
    ] = None
    bridge: Annotated[
        list[str] | None, typer.Option(help="A NIC on this bridge; may be repeated.", autocompletion=complete_bridge)
    ] = None
    network: Annotated[
        list[str] | None,
        typer.Option(help="A NIC on this network of libvirt; may be repeated.", autocompletion=complete_network),
    ] = None
    addresses: Annotated[
        list[str] | None,
        typer.Option(metavar="FIRST-LAST/PREFIX", help="One for each NIC, in order: a range, or 'dhcp'."),
    ] = None
    gateway: Annotated[str | None, typer.Option(help="Of the first NIC with addresses.")] = None
    dns: Annotated[list[str] | None, typer.Option(help="Of the first NIC with addresses; may be repeated.")] = None
    domain: Annotated[str | None, typer.Option(help="Follows the name in the host name.")] = None
    key_file: Annotated[list[str] | None, typer.Option(help="Public keys that may log in as root.")] = None
    root_password: Annotated[
        str | None, typer.Option(metavar="file:PATH|env:NAME", help="Where root's password or its hash is.")
    ] = None
    linked: Annotated[
        bool | None, typer.Option("--linked/--full", help="An overlay on the template, or a copy of its own.")
    ] = None
    autostart: Annotated[bool, typer.Option("--autostart", help="Start with the host.")] = False
    start: Annotated[bool, typer.Option(help="Start the machines.")] = True
    cache: Annotated[Cache | None, typer.Option(help="Instead of the policy; --cache-reason says why.")] = None
    cache_reason: Annotated[str | None, typer.Option(help="Why the policy is not followed.")] = None
    fleet: Annotated[
        str | None,
        typer.Option(help="The fleet's name; absent: --name without its number.", autocompletion=complete_fleet),
    ] = None
    fleet_id: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Pins new MACs and UUIDs; absent: what the first deploy minted for the fleet."),
    ] = None
    pool: Annotated[
        str | None, typer.Option(help="The storage pool of libvirt for new disks.", autocompletion=complete_pool)
    ] = None
    import_disk: Annotated[
        Path | None, typer.Option("--import", metavar="DISK", help="Deploy copies of a disk, instead of an image.")
    ] = None
    disk_format: Annotated[
        Literal["qcow2", "raw"] | None,
        typer.Option("--format", help="The format of such a disk, if you know it; else it must be beyond doubt."),
    ] = None
    trust_backing: Annotated[
        list[Path] | None,
        typer.Option(metavar="FOLDER", help="Such a disk's backing files may lie below it; may be repeated."),
    ] = None
    write_fleet: Annotated[
        Path | None,
        typer.Option(metavar="FLEET.toml", help="Write what the options ask for as a fleet's file, a new one."),
    ] = None
    plan: Annotated[bool, typer.Option("--plan", help="Only show what would be done.")] = False
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan, or every event, as JSON.")] = False
    output: Annotated[
        Literal["ansible", "ssh-config"] | None, typer.Option("--output", "-o", help="Print this at the end.")
    ] = None
    wait: Annotated[
        bool | None, typer.Option(help="Wait until the guests prove themselves; on a terminal they are waited for.")
    ] = None
    wait_seconds: Annotated[int, typer.Option(min=1, help="How long machines may take to come up.")] = 900
    prune: Annotated[bool, typer.Option("--prune", help="Remove machines that the fleet does not name.")] = False
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Make machines of another version anew; their disks are lost.")
    ] = False
    stop: Annotated[
        bool, typer.Option(help="Stop machines whose change needs it; else it takes effect at their next start.")
    ] = True
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False
    parallel: Annotated[int, typer.Option(min=1, max=64, help="How many machines at a time.")] = 4
    paused: Annotated[bool, typer.Option("--paused", hidden=True, help="Start, but do not let them run.")] = False
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of a fleet, for editors.")] = False
