"""NetworkManager's keyfiles (nm-settings-keyfile(5)): EL 9 and later, and everything else that has it."""

from __future__ import annotations

from collections.abc import Sequence

from imgpipe.deploy.wanted import WantedNic
from imgpipe.identity.network.files import NetworkFile, profile_uuid
from imgpipe.way_out import leaves_its_router

_FOLDER = "/etc/NetworkManager/system-connections"


def files(nics: Sequence[WantedNic]) -> tuple[NetworkFile, ...]:
    """Return one profile for each NIC; NetworkManager takes none that others than root can read."""
    return tuple(
        NetworkFile(path=f"{_FOLDER}/imgpipe-nic{number}.nmconnection", text=_profile(nic, number, nics), mode=0o600)
        for number, nic in enumerate(nics)
    )


def _profile(nic: WantedNic, number: int, nics: Sequence[WantedNic]) -> str:
    sections = {
        "connection": {"id": f"nic{number}", "uuid": profile_uuid(nic), "type": "ethernet"},
        "ethernet": {"mac-address": nic.mac.upper()},
        "ipv4": _ipv4(nic, nics),
        "ipv6": {"method": "auto"},
    }
    blocks = (
        "\n".join((f"[{name}]", *(f"{key}={value}" for key, value in values.items())))
        for name, values in sections.items()
    )
    return "\n\n".join(blocks) + "\n"


def _ipv4(nic: WantedNic, nics: Sequence[WantedNic]) -> dict[str, str]:
    values = {"method": "auto"}
    if nic.address:
        values = {"method": "manual", "address1": str(nic.address) + (f",{nic.gateway}" if nic.gateway else "")}
    if leaves_its_router(nic, nics):
        values["never-default"] = "true"
    if nic.dns:
        values["dns"] = "".join(f"{server};" for server in nic.dns)
    return values
