"""How machines are reached by ssh: at which address, as whom, and by which host keys they are known."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from shlex import quote
from typing import TYPE_CHECKING

from imgpipe.cli import context, output
from imgpipe.errors import HostError

if TYPE_CHECKING:
    from imgpipe.adapters.machines import Machines
    from imgpipe.deploy.disputed import Owners
    from imgpipe.deploy.existing import ExistingMachine
    from imgpipe.deploy.host_keys import HostKeys

_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_GUESTS_SECONDS = 30
"""How long a guest that never told its keys may take: it says them every few seconds once somebody listens."""


def owners_of(every: Iterable[ExistingMachine]) -> Owners:
    """Return who has which addresses and host keys: `every` machine of libvirt's, and this host."""
    from imgpipe.adapters.host_facts import addresses_here
    from imgpipe.adapters.ssh_keyscan import own_keys
    from imgpipe.deploy.disputed import owners
    from imgpipe.deploy.host_keys import fingerprint

    try:
        here = addresses_here() or {}
    except HostError:
        # A host that cannot be asked for its addresses lists its machines nevertheless.
        here = {}
    return owners(every, here, tuple(map(fingerprint, own_keys())))


def host_keys(machines: Iterable[ExistingMachine], known: Owners) -> dict[str, HostKeys]:
    """Return by name what is known of the machines' host keys; nothing of it where servers cannot be asked."""
    from imgpipe.adapters.ssh_keyscan import scan
    from imgpipe.deploy.host_keys import HostKeys, known_host_keys

    every = tuple(machines)
    try:
        return known_host_keys(every, context.store(), scan, known.of_key)
    except (HostError, OSError) as error:
        why = f"they cannot be asked for or kept: {str(error).rstrip('.')}"
        return {machine.name: HostKeys(why=why) for machine in every}


def ssh_command(machine: ExistingMachine, machines: Machines, user: str | None, command: Iterable[str]) -> list[str]:
    """Return the command that logs in to a running machine; its guest is asked for what is not known.

    Raises HostError where no address is known, or something else answers there.
    """
    from imgpipe.deploy.disputed import disputes, undisputed
    from imgpipe.deploy.host_keys import told_fingerprints
    from imgpipe.deploy.reachable import addresses_of

    _refuse_behind_nat(machine)
    owned = owners_of(machines.list(sizes=False))
    reached = undisputed(machine, owned)
    known = host_keys([reached], owned)[machine.name] if addresses_of(reached) else None
    told = machine
    if known is None or known.foreign or not told_fingerprints(reached.record):
        told = _asked(machine, machines)
        reached = undisputed(told, owned)
        known = host_keys([reached], owned)[machine.name]
    addresses = addresses_of(reached)
    if not addresses:
        if others := disputes(told, owned):
            raise HostError(
                f"The guest of '{machine.name}' says that it is at {', '.join(others)}.",
                hint=f"Find out whose it is; 'imgpipe machines console {quote(machine.name)}' shows the machine.",
            )
        raise HostError(
            f"No address is known at which '{machine.name}' can be reached.",
            hint="Its guest has not said what DHCP gave it; is it up? "
            f"'imgpipe machines console {quote(machine.name)}' shows it.",
        )
    if known.foreign:
        raise HostError(
            f"Whoever answers at {addresses[0]} is not '{machine.name}': {known.why}.",
            hint=f"See who has that address; 'imgpipe machines console {quote(machine.name)}' shows the machine.",
        )
    if known.why:
        output.tell(f"note: The SSH host keys of '{machine.name}' are not known: {known.why}. So ssh itself asks.")
    words = list(command)
    known_by = [word for option in options(machine, known) for word in ("-o", option)]
    return ["ssh", *known_by, "-l", user or user_of(machine), str(addresses[0]), *(("--", *words) if words else ())]


def _refuse_behind_nat(machine: ExistingMachine) -> None:
    from imgpipe.deploy.reachable import NOT_FROM_OUTSIDE, is_behind_nat

    if is_behind_nat(machine):
        name = quote(machine.name)
        raise HostError(
            f"'{machine.name}' cannot be reached: {NOT_FROM_OUTSIDE}.",
            hint=f"'imgpipe machines console {name}' opens its serial console; "
            f"'imgpipe machines set {name} --bridge br1' plugs it in elsewhere.",
        )


def user_of(machine: ExistingMachine) -> str:
    """Return whom to log in as: whom the deploy lets in, as the machine's metadata has it, else root.

    Whoever may change a machine in libvirt can write there, and ssh hands the name to a shell where its configuration
    says so: what is no plain name is root's.
    """
    user = machine.record.user if machine.record else ""
    return user if _USER.fullmatch(user) else "root"


def options(machine: ExistingMachine, known: HostKeys | None) -> list[str]:
    """Return the options of ssh by which a machine is known by its own host keys and no others, where there are any.

    Else ssh asks whoever logs in, as it does with every server that it has not seen; or refuses, where what answers is
    known to be another one.
    """
    from imgpipe.deploy.host_keys import alias_of, ssh_path

    told = [f"HostKeyAlias={alias_of(machine)}"]
    if known and known.file:
        # Addresses are not what it is known by: versions before 8.5 would note them in the file.
        return [*told, f"UserKnownHostsFile={ssh_path(known.file)}", "StrictHostKeyChecking=yes", "CheckHostIP=no"]
    return [*told, "StrictHostKeyChecking=yes"] if known and known.foreign else told


def tell_unknown(machines: Iterable[ExistingMachine], known: Mapping[str, HostKeys]) -> None:
    """Say of which machines ssh will have to ask whether they are the right ones, and why; all of a reason together."""
    from imgpipe.deploy.faults import listed
    from imgpipe.deploy.reachable import is_behind_nat

    by_name = {machine.name: machine for machine in machines}
    reasons: dict[HostKeys, list[str]] = {}
    for name in by_name:
        if (found := known.get(name)) and found.why:
            reasons.setdefault(found, []).append(name)
    for found, names in reasons.items():
        asks = f"'imgpipe machines ssh {quote(names[0])}'"
        if found.foreign:
            output.tell(
                f"warning: Whoever answers for {listed(names)} may be another one: {found.why}. {asks} asks the guest "
                "again; until then ssh refuses."
            )
        elif is_behind_nat(by_name[names[0]]):
            output.tell(
                f"note: {listed(names)} cannot be reached: {found.why}. 'imgpipe machines console {quote(names[0])}' "
                "opens a serial console."
            )
        else:
            output.tell(
                f"note: The SSH host keys of {listed(names)} are not known: {found.why}. {asks} asks the guest; "
                "without that, ssh itself asks whether they are right."
            )


def _asked(machine: ExistingMachine, machines: Machines) -> ExistingMachine:
    from imgpipe.deploy.asking import ask

    output.tell(f"note: The guest of '{machine.name}' is asked for its SSH host keys and addresses.")
    return ask(machine, machines, _GUESTS_SECONDS)
