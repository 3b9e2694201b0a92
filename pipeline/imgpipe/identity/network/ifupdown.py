"""Debian's ifupdown (interfaces(5)), which knows NICs by name only: the guest fills in the name of each MAC address."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from imgpipe.deploy.wanted import WantedNic
from imgpipe.identity.network.files import NIC_NAME, NetworkFile
from imgpipe.way_out import METRIC, leaves_its_router

_INTERFACES = """\
# See interfaces(5). Written by imgpipe.

source /etc/network/interfaces.d/*

auto lo
iface lo inet loopback
"""


def files(nics: Sequence[WantedNic]) -> tuple[NetworkFile, ...]:
    """Return the main file, one for each NIC, and resolv.conf where there are name servers.

    ifupdown itself hands 'dns-nameservers' to resolvconf, which a minimal Debian lacks; a DHCP client writes
    resolv.conf anew.
    """
    found = [NetworkFile(path="/etc/network/interfaces", text=_INTERFACES)]
    found += (
        NetworkFile(
            path=f"/etc/network/interfaces.d/imgpipe-nic{number}",
            text="".join(f"{line}\n" for line in _stanza(nic, nics)),
            mac=nic.mac,
        )
        for number, nic in enumerate(nics)
    )
    if servers := dict.fromkeys(server for nic in nics for server in nic.dns):
        text = "".join(f"nameserver {server}\n" for server in servers)
        found.append(NetworkFile(path="/etc/resolv.conf", text=text))
    return tuple(found)


def _stanza(nic: WantedNic, nics: Sequence[WantedNic]) -> Iterator[str]:
    yield f"auto {NIC_NAME}"
    yield f"iface {NIC_NAME} inet {'static' if nic.address else 'dhcp'}"
    if nic.address:
        yield f"    address {nic.address}"
        if nic.gateway:
            yield f"    gateway {nic.gateway}"
    elif leaves_its_router(nic, nics):
        yield f"    metric {METRIC}"
    if nic.dns:
        yield f"    dns-nameservers {' '.join(map(str, nic.dns))}"
