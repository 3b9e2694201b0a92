"""The network lines: one for each NIC, in the recipe's order."""

from __future__ import annotations

from collections.abc import Iterator

from imgpipe.recipe import Nic, Recipe
from imgpipe_el.kickstart.quoting import joined, option


def network_lines(recipe: Recipe) -> Iterator[str]:
    """Yield the `network` commands of the recipe's NICs and host name.

    No NIC is brought up in the installer: Anaconda activates the first one unless told not to, and then waits for a
    DHCP server that an isolated build does not have.
    """
    for nic in recipe.nics:
        yield _network_line(nic)
    if recipe.guest.hostname:
        yield f"network {option('hostname', recipe.guest.hostname)}"


def _network_line(nic: Nic) -> str:
    # By name where there is one: a profile bound to the template's MAC would fit none of its clones.
    device = nic.name or nic.mac
    parts = ["network", option("device", device), *_addressing(nic)]
    if nic.dns:
        parts.append(f"--nameserver={joined(nic.dns)}")
    return " ".join((*parts, "--onboot=yes", "--no-activate"))


def _addressing(nic: Nic) -> Iterator[str]:
    if nic.address is None:
        yield "--bootproto=dhcp"
        return
    yield "--bootproto=static"
    yield option("ip", nic.address.ip)
    yield option("netmask", nic.address.netmask)
    if nic.gateway:
        yield option("gateway", nic.gateway)
