"""What libvirt has beside machines: pools and networks, and which of them are up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from imgpipe.adapters.hypervisor import Hypervisor
from imgpipe.adapters.libvirt_errors import told_as_host_error
from imgpipe.adapters.machines import Machines


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What a daemon was asked; the names of pools and networks with whether they are active.

    `unfinished` are machines that a deploy began and never finished.
    """

    uri: str
    versions: dict[str, str]
    pools: dict[str, bool]
    networks: dict[str, bool]
    unfinished: tuple[str, ...] = ()


class _Named(Protocol):
    def name(self) -> str:
        """Return the name."""

    def isActive(self) -> int:
        """Return 1 if it is up."""


def inventory(hypervisor: Hypervisor) -> Inventory:
    """Ask for everything; raises HostError."""
    with told_as_host_error(hypervisor.uri, "list its pools and networks"):
        pools = _states(hypervisor.connection.listAllStoragePools())
        networks = _states(hypervisor.connection.listAllNetworks())
    machines = Machines(hypervisor).list(sizes=False)
    return Inventory(
        uri=hypervisor.uri,
        versions=hypervisor.versions(),
        pools=pools,
        networks=networks,
        unfinished=tuple(one.name for one in machines if one.record and not one.record.complete),
    )


def _states(found: list[_Named]) -> dict[str, bool]:
    return {str(one.name()): bool(one.isActive()) for one in found}
