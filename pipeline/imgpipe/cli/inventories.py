"""Machines as other programs read them: an inventory for Ansible, a configuration for ssh.

Both are made so that nothing in a machine's name or metadata means more to their readers than it says: whoever may
change a machine in libvirt can rename it, and write into its metadata. What Ansible takes as names of groups is in its
manual ("Creating valid variable names"); its inventory warns of a group that is called as a host is, and 'all',
'ungrouped' and the names of the host that it runs on mean something to it.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from shlex import join
from typing import TYPE_CHECKING, Any

from imgpipe.cli.ssh_access import options, user_of
from imgpipe.deploy.reachable import addresses_of

if TYPE_CHECKING:
    from imgpipe.deploy.existing import ExistingMachine
    from imgpipe.deploy.host_keys import HostKeys

_NO_GROUP_NAME = re.compile(r"[^A-Za-z0-9_]")
_GROUP_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Nothing of ssh's patterns, of Ansible's ranges, ports and templates, or of their syntax.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@/:+-]*")
_OF_ANSIBLE = frozenset({"all", "ungrouped", "localhost", "127.0.0.1"})
_OURS = ("fleet_", "group_", "machine_")


def is_plain(machine: ExistingMachine) -> bool:
    """Say whether a machine's name means nothing but itself to ssh and to Ansible."""
    return _NAME.fullmatch(machine.name) is not None


def ansible(machines: Iterable[ExistingMachine], known: Mapping[str, HostKeys]) -> str:
    """Return an inventory in YAML: each machine in the group of its group, and in that of its fleet.

    These are called `group_NAME` and `fleet_NAME`, and the group NAME itself too where Ansible takes that. A machine
    whose name means something to Ansible is called `machine_NAME`.
    """
    import yaml

    ours = [machine for machine in machines if machine.record]
    names = {machine.name: _host_name(machine.name) for machine in ours}
    hosts = {names[machine.name]: _variables(machine, known.get(machine.name)) for machine in ours}
    groups: dict[str, dict[str, dict[str, dict[str, str]]]] = {}
    for machine, members in zip(ours, _groups(ours, frozenset(hosts)), strict=True):
        for name in members:
            groups.setdefault(name, {"hosts": {}})["hosts"][names[machine.name]] = {}
    told: dict[str, Any] = {"all": {"hosts": hosts, "children": groups}}
    text: str = yaml.safe_dump(told, sort_keys=False, width=1000)
    return text


def ssh_config(machines: Iterable[ExistingMachine], known: Mapping[str, HostKeys]) -> Iterator[str]:
    """Yield lines for ssh's configuration: a machine is known by its name and its host name, its key by its name.

    A host name that another machine has, or is called by, is left out: ssh would take whichever comes first.
    """
    every = tuple(machines)
    named = {machine.name for machine in every}
    shared = Counter(machine.record.hostname for machine in every if machine.record)
    for machine in every:
        address = next(iter(addresses_of(machine)), None)
        if address is None or machine.record is None:
            yield f"# No address of {machine.name} is known."
            continue
        host = machine.record.hostname
        second = host if _NAME.fullmatch(host) and shared[host] == 1 and host not in named else ""
        yield f"Host {machine.name} {second}".rstrip()
        yield f"    HostName {address}"
        yield f"    User {user_of(machine)}"
        yield from (f"    {option.replace('=', ' ', 1)}" for option in options(machine, known.get(machine.name)))


def _variables(machine: ExistingMachine, known: HostKeys | None) -> dict[str, str]:
    record = machine.record
    address = next((str(one) for one in addresses_of(machine)), "")
    told = {"ansible_host": address, "ansible_user": user_of(machine)}
    told |= {"imgpipe_hostname": record.hostname, "imgpipe_template": record.template} if record else {}
    # Ansible evaluates what looks like a template, on the host that it runs on.
    plain = {key: value for key, value in told.items() if _PLAIN.fullmatch(value)}
    words = [word for option in options(machine, known) for word in ("-o", option)]
    return plain | {"ansible_ssh_common_args": join(words)}


def _host_name(name: str) -> str:
    return f"machine_{name}" if name in _OF_ANSIBLE or name.startswith(_OURS) else name


def _groups(machines: Iterable[ExistingMachine], hosts: frozenset[str]) -> Iterator[list[str]]:
    """Yield the names of each machine's groups; two fleets or groups never come to one name."""
    every = [(machine.record.group, machine.record.fleet) for machine in machines if machine.record]
    groups = _group_names("group_", (group for group, _ in every))
    fleets = _group_names("fleet_", (fleet for _, fleet in every))
    for group, fleet in every:
        bare = groups[group].removeprefix("group_")
        plain = _GROUP_NAME.fullmatch(bare) and not bare.startswith(_OURS) and bare not in hosts | _OF_ANSIBLE
        yield [*([bare] if plain else []), groups[group], fleets[fleet]]


def _group_names(prefix: str, originals: Iterable[str]) -> dict[str, str]:
    """Return what Ansible takes for each name; of those that would be the same, each gets a mark of its own."""
    asked = dict.fromkeys(originals)
    made = {name: prefix + _NO_GROUP_NAME.sub("_", name) for name in asked}
    times = Counter(made.values())
    return {
        name: f"{told}_{hashlib.sha256(name.encode()).hexdigest()[:6]}" if times[told] > 1 else told
        for name, told in made.items()
    }
