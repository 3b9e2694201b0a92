"""What a hypervisor's host can still give, asked through libvirt."""

from __future__ import annotations

import json
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Interface

import libvirt

from imgpipe.adapters import process
from imgpipe.adapters.hypervisor import Hypervisor
from imgpipe.adapters.libvirt_errors import told_as_host_error
from imgpipe.adapters.links import links
from imgpipe.libvirt_words import described

# What the kernel gives up when memory is short counts as free (virNodeGetMemoryStats, in KiB).
_FREE = ("free", "buffers", "cached")


def free_memory(hypervisor: Hypervisor) -> int:
    """Return how many bytes of memory new machines may take."""
    with told_as_host_error(hypervisor.uri, "say what memory is free"):
        try:
            told = hypervisor.connection.getMemoryStats(libvirt.VIR_NODE_MEMORY_STATS_ALL_CELLS, 0)
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_NO_SUPPORT:
                raise
            return int(hypervisor.connection.getFreeMemory())
    return 1024 * sum(int(told.get(name, 0)) for name in _FREE)


def domain_capabilities(hypervisor: Hypervisor) -> str:
    """Return libvirt's `<domainCapabilities>` of x86-64 machines, of those with KVM where libvirt offers it."""
    kind = "kvm" if hypervisor.offers_kvm() else "qemu"
    with told_as_host_error(hypervisor.uri, "say what machines may have"):
        return str(hypervisor.connection.getDomainCapabilities(None, "x86_64", None, kind, 0))


def network_names(hypervisor: Hypervisor) -> frozenset[str]:
    """Return the names of libvirt's networks that are up: a machine on another one would not start."""
    with told_as_host_error(hypervisor.uri, "list the networks"):
        flags = libvirt.VIR_CONNECT_LIST_NETWORKS_ACTIVE
        return frozenset(network.name() for network in hypervisor.connection.listAllNetworks(flags))


def bridges_here() -> frozenset[str] | None:
    """Return the names of the bridges of this process's own network namespace; None where ip(8) is not installed.

    /sys/class/net is no substitute: it shows the namespace that /sys was mounted in.
    """
    if not process.is_installed("ip"):
        return None
    told = json.loads(process.run("ip", "-json", "link", "show", "type", "bridge") or "[]")
    return frozenset(str(link["ifname"]) for link in told if link.get("ifname"))


def addresses_here() -> Mapping[IPv4Address, str] | None:
    """Return the IPv4 addresses of this process's own network namespace, each with its device; None as above."""
    if not process.is_installed("ip"):
        return None
    return {IPv4Interface(address).ip: link.name for link in links() for address in link.addresses}


def bridges_over_libvirt(hypervisor: Hypervisor) -> frozenset[str] | None:
    """Return the names of the host's bridges; None where libvirt was built without its interface driver."""
    try:
        interfaces = hypervisor.connection.listAllInterfaces(0)
        found = {item.name(): described(item.XMLDesc(0)) for item in interfaces}
    except libvirt.libvirtError:
        return None
    return frozenset(name for name, element in found.items() if element.get("type") == "bridge")
