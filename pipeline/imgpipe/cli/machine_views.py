"""How machines are shown: rows of a list, JSON values, an inventory for Ansible, a configuration for ssh."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal

from imgpipe.cli import output
from imgpipe.deploy.reachable import addresses_of
from imgpipe.sizes import show_bytes

if TYPE_CHECKING:
    from imgpipe.deploy.existing import ExistingMachine

Form = Literal["ansible", "ssh-config"]

_NO_GROUP_NAME = re.compile(r"[^A-Za-z0-9_]")
# Nothing of ssh's patterns, of Ansible's ranges and templates, or of their syntax. Anybody who may change a machine in
# libvirt can give it another name, and write into its metadata.
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@/:+-]*")


def show(machines: Iterable[ExistingMachine], form: Form | None, *, as_json: bool) -> None:
    """Print machines that imgpipe made, as they were asked for."""
    every = tuple(machines)
    ours = tuple(machine for machine in every if machine.record)
    told = tuple(machine for machine in every if machine.record or machine.stranger)
    if as_json:
        output.show_json([values(machine) for machine in told])
    elif form:
        plain = tuple(machine for machine in ours if _PLAIN.fullmatch(machine.name))
        output.show_lines(ansible(plain).splitlines() if form == "ansible" else ssh_config(plain))
        for machine in ours:
            if not _PLAIN.fullmatch(machine.name):
                output.tell(f"note: '{machine.name}' is left out: its name means something to ssh and Ansible.")
    else:
        output.show_table([row(machine) for machine in told], right=("used",))
        for machine in told:
            if machine.stranger:
                output.tell(f"note: '{machine.name}' is not imgpipe's: {machine.stranger}.")


def row(machine: ExistingMachine) -> dict[str, str]:
    """Return the row of a list."""
    record = machine.record
    return {
        "name": machine.name,
        "state": state(machine),
        "fleet": record.fleet if record else "",
        "group": record.group if record else "",
        "template": f"{record.template}{'' if record.linked else ' (copy)'}" if record else "",
        "addresses": ", ".join(map(str, addresses_of(machine))) or "-",
        "used": show_bytes(machine.used) if machine.used else "-",
    }


def state(machine: ExistingMachine) -> str:
    """Return what a machine does; "incomplete" if it was interrupted while it was made."""
    if machine.stranger:
        return "not imgpipe's"
    if machine.record and not machine.record.complete:
        return "incomplete"
    if machine.disk_missing:
        return "disk missing"
    return "running" if machine.active else "off"


def values(machine: ExistingMachine) -> dict[str, Any]:
    """Return what a program wants to know; sizes in bytes."""
    record = machine.record
    told: dict[str, Any] = {
        "name": machine.name,
        "uuid": machine.uuid,
        "state": state(machine),
        "autostart": machine.autostart,
        "cpus": machine.cpus,
        "memory": machine.memory,
        "disk": machine.disk,
        "disk_missing": machine.disk_missing,
        "virtual_size": machine.virtual_size,
        "used": machine.used,
        "nics": [{"kind": nic.kind, "source": nic.source, "mac": nic.mac} for nic in machine.nics],
        "addresses": [str(address) for address in addresses_of(machine)],
    }
    if machine.stranger:
        told["why"] = machine.stranger
    if record:
        told |= {
            "fleet": record.fleet,
            "fleet_id": record.fleet_id or None,
            "group": record.group,
            "template": record.template,
            "linked": record.linked,
            "hostname": record.hostname,
            "identity": record.identity,
            "pool": record.pool,
            "machine_id": record.proven.machine_id if record.proven else None,
            "host_keys": list(record.proven.host_keys) if record.proven else [],
        }
    return told


def ansible(machines: Iterable[ExistingMachine]) -> str:
    """Return an inventory in YAML: a group for each group's name, and one for each fleet, 'fleet_NAME'."""
    import yaml

    hosts: dict[str, dict[str, str]] = {}
    groups: dict[str, dict[str, dict[str, dict[str, str]]]] = {}
    for machine in machines:
        record = machine.record
        if record is None:
            continue
        address = next((str(one) for one in addresses_of(machine)), "")
        told = {"ansible_host": address, "imgpipe_hostname": record.hostname, "imgpipe_template": record.template}
        # Ansible evaluates what looks like a template, on the host that it runs on.
        hosts[machine.name] = {key: value for key, value in told.items() if _PLAIN.fullmatch(value)}
        for name in (record.group, f"fleet_{record.fleet}"):
            group = groups.setdefault(_NO_GROUP_NAME.sub("_", name), {"hosts": {}})
            group["hosts"][machine.name] = {}
    text: str = yaml.safe_dump({"all": {"hosts": hosts, "children": groups}}, sort_keys=False)
    return text


def ssh_config(machines: Iterable[ExistingMachine]) -> Iterator[str]:
    """Yield lines for ssh's configuration: a machine is known by its name and its host name, its key by its name."""
    for machine in machines:
        address = next(iter(addresses_of(machine)), None)
        if address is None or machine.record is None:
            yield f"# No address of {machine.name} is known."
            continue
        names = dict.fromkeys((machine.name, machine.record.hostname))
        yield f"Host {' '.join(name for name in names if _PLAIN.fullmatch(name))}"
        yield f"    HostName {address}"
        yield f"    HostKeyAlias {machine.name}"
