"""How machines are shown: rows of a list, JSON values, or as other programs read them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

from imgpipe.cli import output
from imgpipe.deploy.host_keys import told_fingerprints
from imgpipe.deploy.own_settings import said_in
from imgpipe.deploy.reachable import addresses_of
from imgpipe.sizes import show_bytes

if TYPE_CHECKING:
    from imgpipe.deploy.disputed import Owners
    from imgpipe.deploy.existing import ExistingMachine

Form = Literal["ansible", "ssh-config"]


def show(
    machines: Iterable[ExistingMachine],
    form: Form | None,
    beside: Iterable[ExistingMachine] = (),
    *,
    as_json: bool,
) -> None:
    """Print machines that imgpipe made, as they were asked for; `beside` are all that libvirt has."""
    from imgpipe.cli.ssh_access import owners_of
    from imgpipe.deploy.disputed import disputes, undisputed

    every = tuple(machines)
    owned = owners_of({machine.uuid: machine for machine in (*beside, *every)}.values())
    told = tuple(undisputed(machine, owned) for machine in every if machine.record or machine.stranger)
    if as_json:
        output.show_json([values(machine) for machine in told])
    elif form:
        _show_inventory(tuple(machine for machine in told if machine.record), form, owned)
    else:
        output.show_table([row(machine) for machine in told], right=("used",))
    for machine in every:
        if others := disputes(machine, owned):
            output.tell(f"warning: The guest of '{machine.name}' says that it is at {', '.join(others)}: left out.")
        if machine.stranger and not (as_json or form):
            output.tell(f"note: '{machine.name}' is not imgpipe's: {machine.stranger}.")


def _show_inventory(machines: tuple[ExistingMachine, ...], form: Form, owned: Owners) -> None:
    from imgpipe.cli.inventories import ansible, is_plain, ssh_config
    from imgpipe.cli.ssh_access import host_keys, tell_unknown

    plain = tuple(machine for machine in machines if is_plain(machine))
    known = host_keys(plain, owned)
    output.show_lines(ansible(plain, known).splitlines() if form == "ansible" else ssh_config(plain, known))
    tell_unknown(plain, known)
    for machine in machines:
        if not is_plain(machine):
            output.tell(f"note: '{machine.name}' is left out: its name means something to ssh and Ansible.")


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
            "user": record.user or None,
            "own": list(said_in(record.settings)),
            "machine_id": record.proven.machine_id if record.proven else None,
            "host_keys": list(told_fingerprints(record)),
        }
    return told
