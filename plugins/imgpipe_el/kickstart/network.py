"""The network lines: one for each NIC, in the recipe's order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from imgpipe.recipe import Nic, Recipe
from imgpipe.way_out import leaves_its_router
from imgpipe_el.kickstart.quoting import joined, option

_NO_NAME = "localhost.localdomain"
"""Anaconda's own default, which systemd and NetworkManager take for no name."""


def network_lines(recipe: Recipe) -> Iterator[str]:
    """Yield the `network` commands of the recipe's NICs and host name.

    No NIC is brought up in the installer, which would wait for a DHCP server that an isolated build does not have. The
    initramfs brings up the first line's NIC whatever its options say (dracut/parse-kickstart of Anaconda 29 to 40),
    unless that line sets the host name alone: so such a line always comes first.
    """
    yield f"network {option('hostname', recipe.guest.hostname or _NO_NAME)}"
    for nic in recipe.nics:
        yield _network_line(nic, recipe.nics)


def _network_line(nic: Nic, nics: Sequence[Nic]) -> str:
    # By name where there is one: a profile bound to the template's MAC would fit none of its clones.
    device = nic.name or nic.mac
    parts = ["network", option("device", device), *_addressing(nic)]
    if leaves_its_router(nic, nics):
        parts.append("--nodefroute")
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
