"""Files of network-scripts, read by NetworkManager up to EL 8 (nm-settings-ifcfg-rh(5))."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from imgpipe.deploy.wanted import WantedNic
from imgpipe.identity.network.files import NetworkFile, profile_uuid
from imgpipe.way_out import leaves_its_router

_FOLDER = "/etc/sysconfig/network-scripts"


def files(nics: Sequence[WantedNic]) -> tuple[NetworkFile, ...]:
    """Return one file for each NIC; without DEVICE it is for the NIC that has HWADDR."""
    return tuple(
        NetworkFile(
            path=f"{_FOLDER}/ifcfg-nic{number}", text="".join(f"{line}\n" for line in _lines(nic, number, nics))
        )
        for number, nic in enumerate(nics)
    )


def _lines(nic: WantedNic, number: int, nics: Sequence[WantedNic]) -> Iterator[str]:
    yield "TYPE=Ethernet"
    yield f"NAME=nic{number}"
    yield f"UUID={profile_uuid(nic)}"
    yield f"HWADDR={nic.mac.upper()}"
    yield "ONBOOT=yes"
    if nic.address:
        yield "BOOTPROTO=none"
        yield f"IPADDR={nic.address.ip}"
        yield f"PREFIX={nic.address.network.prefixlen}"
        if nic.gateway:
            yield f"GATEWAY={nic.gateway}"
    else:
        yield "BOOTPROTO=dhcp"
        if leaves_its_router(nic, nics):
            yield "DEFROUTE=no"
    for count, server in enumerate(nic.dns, start=1):
        yield f"DNS{count}={server}"
    yield "IPV6INIT=yes"
    yield "IPV6_AUTOCONF=yes"
