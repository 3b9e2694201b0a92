"""What libvirt has beside machines: pools and networks, and which of them are up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from imgpipe.adapters.hypervisor import Hypervisor
from imgpipe.adapters.libvirt_errors import told_as_host_error
from imgpipe.adapters.machines import Machines
from imgpipe.adapters.pools import FILES
from imgpipe.libvirt_words import described


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What a daemon was asked; the names of pools and networks with whether they are active.

    `folders` has the path of each pool that is a folder; `unfinished` are machines that a deploy began and did not
    finish.
    """

    uri: str
    versions: dict[str, str]
    pools: dict[str, bool]
    networks: dict[str, bool]
    folders: Mapping[str, Path] = field(default_factory=dict)
    unfinished: tuple[str, ...] = ()


class _Named(Protocol):
    def name(self) -> str:
        """Return the name."""

    def isActive(self) -> int:
        """Return 1 if it is up."""


def inventory(hypervisor: Hypervisor) -> Inventory:
    """Ask for everything; raises HostError."""
    with told_as_host_error(hypervisor.uri, "list its pools and networks"):
        found = hypervisor.connection.listAllStoragePools()
        pools, paths = _states(found), {str(pool.name()): _path(pool.XMLDesc()) for pool in found}
        networks = _states(hypervisor.connection.listAllNetworks())
    machines = Machines(hypervisor).list(sizes=False)
    return Inventory(
        uri=hypervisor.uri,
        versions=hypervisor.versions(),
        pools=pools,
        networks=networks,
        folders={name: path for name, path in paths.items() if path},
        unfinished=tuple(one.name for one in machines if one.record and not one.record.complete),
    )


def _path(xml: str) -> Path | None:
    element = described(xml)
    path = element.findtext("target/path")
    return Path(path) if path and element.get("type") in FILES else None


def _states(found: list[_Named]) -> dict[str, bool]:
    return {str(one.name()): bool(one.isActive()) for one in found}
