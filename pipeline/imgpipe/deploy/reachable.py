"""Where machines can be reached: what inventories and ssh are told."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from imgpipe.deploy.existing import ExistingMachine
from imgpipe.deploy.resolving import proven_addresses, static_addresses

# What libvirt's and QEMU's own NAT gives to every guest, whoever it is.
_NAT = IPv4Network("10.0.2.0/24")


NOT_FROM_OUTSIDE = "QEMU's own NAT lets nothing in from outside"
"""Why a machine of which `is_behind_nat` is true has no address, as the end of a sentence."""


def is_behind_nat(machine: ExistingMachine) -> bool:
    """Say whether QEMU's own NAT is all that a machine is plugged into; whatever its guest says leads nowhere then."""
    return {nic.kind for nic in machine.nics} == {"user"} and not addresses_of(machine)


def addresses_of(machine: ExistingMachine) -> tuple[IPv4Address, ...]:
    """Return the addresses that a machine answers on, those that imgpipe gave it first.

    Those from DHCP are what the guest last said; behind QEMU's own NAT none can be reached.
    """
    static = tuple(interface.ip for interface in static_addresses(machine))
    kinds = {nic.kind for nic in machine.nics}
    if kinds == {"user"}:
        return static
    told = sorted(ip for ip in proven_addresses(machine) if ip not in static and not ip.is_link_local)
    return (*static, *(ip for ip in told if "user" not in kinds or ip not in _NAT))
