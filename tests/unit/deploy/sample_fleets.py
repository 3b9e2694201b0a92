"""A host, templates and fleets for tests of deploying; nothing here exists."""

from __future__ import annotations

import dataclasses
import tomllib
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from imgpipe.deploy.changes import Remove
from imgpipe.deploy.existing import ExistingMachine, ExistingNic, HostFacts, MachineRecord
from imgpipe.deploy.fleet import Fleet
from imgpipe.deploy.planning import DeployPlan, make_deploy_plan
from imgpipe.deploy.record import record_of
from imgpipe.deploy.resolving import Choices
from imgpipe.deploy.wanted import Template, WantedMachine
from imgpipe.os_family import Account, Hardware, Personalise
from imgpipe.recipe import Machine
from imgpipe.recipe_files import parse
from imgpipe.sizes import GIB

HASH = "$6$rounds=5000$saltsalt$Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8x ann@desk"

TEMPLATE = Template(
    name="rocky9",
    version="20260301.1",
    disk=Path("/data/images/rocky9/20260301.1/golden.qcow2"),
    sha256="a" * 64,
    virtual_size=15 * GIB,
    system="rocky9",
    os_id="http://rockylinux.org/rocky/9",
    machine=Machine(cpus=2, memory=2 * GIB, disk=15 * GIB),
    hardware=Hardware(),
    cache="none",
    personalise=Personalise(),
    prepared=True,
    size=1 * GIB,
)
WINDOWS = dataclasses.replace(
    TEMPLATE,
    name="win2016",
    system="win2016",
    hardware=Hardware(cache="writeback", hyperv=True),
    cache="writeback",
    personalise=Personalise(way="unattend", network="none"),
)

FACTS = HostFacts(
    uri="qemu:///system",
    local=True,
    machines=(),
    pool="imgpipe",
    pool_path="/data/machines",
    pool_free=500 * GIB,
    volumes=frozenset(),
    memory_free=64 * GIB,
    networks=frozenset({"default"}),
    bridges=frozenset({"br1", "br2"}),
    addresses={IPv4Address("10.100.1.1"): "br2"},
    direct_io=True,
)

WEB = """
name = "shop"

[groups.web]
template = "rocky9"
count = 3

[[groups.web.nics]]
bridge = "br1"
addresses = "10.100.1.10-10.100.1.19/24"
gateway = "10.100.1.1"
dns = ["10.100.1.2"]
"""


def fleet(text: str = WEB, **changes: Any) -> Fleet:
    """Parse a fleet; `changes` replace keys of its group 'web'."""
    table = tomllib.loads(text)
    if changes:
        table["groups"]["web"] |= changes
    return parse(Fleet, table, "The fleet")


def plan(asked: Fleet, facts: HostFacts = FACTS, **more: Any) -> DeployPlan:
    templates = more.pop("templates", {"rocky9": TEMPLATE, "win2016": WINDOWS})
    if "minted" in more:
        more["choices"] = Choices(minted=more.pop("minted"))
    accounts = more.pop("accounts", {"web/root": Account(name="root", password_hash=HASH)})
    return make_deploy_plan(asked, templates, facts, accounts, **more)


def existing(machine: WantedMachine, **changes: Any) -> ExistingMachine:
    """Return what is there once a machine was made and started; `changes` are of it or of its record."""
    fields = {field.name for field in dataclasses.fields(MachineRecord)} - {"uuid"}
    record = dataclasses.replace(
        record_of(machine, "imgpipe"),
        uuid=changes.get("uuid", machine.uuid),
        **{key: value for key, value in changes.items() if key in fields},
    )
    made = ExistingMachine(
        name=machine.name,
        uuid=machine.uuid,
        active=True,
        autostart=machine.autostart,
        cpus=machine.machine.cpus,
        memory=machine.machine.memory,
        nics=tuple(ExistingNic(kind=nic.kind, source=nic.source, mac=nic.mac) for nic in machine.identity.nics),
        disk=f"/data/machines/{machine.name}.qcow2",
        virtual_size=machine.machine.disk,
        used=GIB // 4,
        cache=machine.cache,
        record=record,
    )
    return dataclasses.replace(made, **{key: value for key, value in changes.items() if key not in fields})


def stranger(name: str, **changes: Any) -> ExistingMachine:
    """Return a machine that imgpipe did not make."""
    made = ExistingMachine(name=name, uuid=name, active=True, autostart=False, cpus=1, memory=GIB, nics=())
    return dataclasses.replace(made, **changes)


def with_machines(*machines: ExistingMachine, **changes: Any) -> HostFacts:
    volumes = frozenset(machine.record.disk for machine in machines if machine.record)
    return dataclasses.replace(FACTS, **{"machines": machines, "volumes": volumes} | changes)


def after(done: DeployPlan, **changes: Any) -> HostFacts:
    """Return the host once a plan was carried out on an empty one."""
    assert not any(isinstance(change, Remove) for change in done.changes)
    return with_machines(*(existing(machine) for machine in done.machines), **changes)
