"""Which NIC a machine's default route goes by: one decision for recipes, fleets and clones.

A gateway that somebody wrote is the way out. A NIC beside it that asks by DHCP is most often told a router too, and
with two default routes nobody knows which one is taken. So such a NIC keeps its address, and leaves the router.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

METRIC = 1000
"""Metric of a DHCP router's route where a tool cannot leave it: a written gateway's is 0, which goes first."""


class Addressed(Protocol):
    """A NIC of a recipe, a fleet or a plugin; it asks by DHCP where it has no address."""

    @property
    def address(self) -> object:
        """Return its static address; what is false means DHCP."""

    @property
    def gateway(self) -> object:
        """Return its gateway; what is false means none."""


def leaves_its_router(nic: Addressed, nics: Iterable[Addressed]) -> bool:
    """Say whether a NIC asks by DHCP beside one with a gateway, so that it must not become the way out."""
    return not nic.address and any(other.gateway for other in nics)
