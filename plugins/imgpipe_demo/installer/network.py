"""The network: NetworkManager's keyfiles, as Anaconda of EL 9 writes them (nm-settings-keyfile(5))."""

from __future__ import annotations

import ipaddress
import re
import time
import uuid
from pathlib import Path

from .answers import Kickstart
from .console import Console
from .programs import SYSROOT, CommandError, run

_PROFILES = SYSROOT / "etc/NetworkManager/system-connections"
_MAC = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}", re.IGNORECASE)
_LINK_TIME_S = 5


def keyfile(data: Kickstart, device: str, identity: str) -> str:
    """Return the profile of one `network` line for a device; `identity` is the profile's UUID."""
    sections = {
        "connection": {
            "id": device,
            "uuid": identity,
            "type": "ethernet",
            **({} if data.onboot in {True, "", None} else {"autoconnect": "false"}),
            "interface-name": device,
        },
        "ethernet": {"mtu": str(data.mtu)} if data.mtu else {},
        "ipv4": _ipv4(data),
        "ipv6": _ipv6(data),
        "proxy": {},
    }
    blocks = (
        "\n".join((f"[{name}]", *(f"{key}={value}" for key, value in values.items())))
        for name, values in sections.items()
    )
    return "\n\n".join(blocks) + "\n"


def write(kickstart: Kickstart, console: Console) -> None:
    """Write the profiles and the host's name into the target."""
    names = [data.hostname for data in kickstart.network.network if data.hostname]
    (SYSROOT / "etc/hostname").write_text(f"{names[-1] if names else 'localhost'}\n")
    for data in kickstart.network.network:
        if not data.device and not data.bootProto and not data.ip:
            continue
        device = _device(data.device or "link")
        if not device:
            console.log(f"network device '{data.device}' was not found", level="WARN")
            continue
        path = _PROFILES / f"{device}.nmconnection"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(keyfile(data, device, str(uuid.uuid4())))
        path.chmod(0o600)
        console.log(f"network: wrote the profile of '{device}'")


def _ipv4(data: Kickstart) -> dict[str, str]:
    if data.noipv4:
        return {"method": "disabled"}
    values: dict[str, str] = {}
    if data.bootProto == "static" or data.ip:
        length = ipaddress.ip_network(f"0.0.0.0/{data.netmask or '255.255.255.0'}").prefixlen
        values["address1"] = f"{data.ip}/{length}" + (f",{data.gateway}" if data.gateway else "")
    if servers := _servers(data, version=4):
        values["dns"] = servers
    if data.nodefroute:
        values["never-default"] = "true"
    values["method"] = "manual" if "address1" in values else "auto"
    return values


def _ipv6(data: Kickstart) -> dict[str, str]:
    if data.noipv6:
        return {"method": "disabled"}
    values = {"addr-gen-mode": "eui64"}
    if servers := _servers(data, version=6):
        values["dns"] = servers
    if data.ipv6 and data.ipv6 not in {"auto", "dhcp"}:
        values["address1"] = data.ipv6 + (f",{data.ipv6gateway}" if data.ipv6gateway else "")
        return {**values, "method": "manual"}
    return {**values, "method": data.ipv6 or "auto"}


def _servers(data: Kickstart, *, version: int) -> str:
    servers = [server.strip() for server in (data.nameserver or "").split(",") if server.strip()]
    mine = (server for server in servers if ipaddress.ip_address(server).version == version)
    return "".join(f"{server};" for server in mine)


def _device(asked: str) -> str:
    """Return the device that is asked for by name, by MAC address, or as the first with a link."""
    names = sorted(path.name for path in Path("/sys/class/net").iterdir() if (path / "device").exists())
    if _MAC.fullmatch(asked):
        addresses = {Path("/sys/class/net", name, "address").read_text().strip(): name for name in names}
        return addresses.get(asked.lower(), "")
    if asked != "link":
        # As Anaconda: a device that is not there (yet) has a profile all the same.
        return asked
    return _first_with_link(names)


def _first_with_link(names: list[str]) -> str:
    for name in names:
        try:
            run("ip", "link", "set", name, "up")
        except CommandError:
            continue
    end = time.monotonic() + _LINK_TIME_S
    while time.monotonic() < end:
        for name in names:
            if Path("/sys/class/net", name, "operstate").read_text().strip() == "up":
                return name
        time.sleep(0.2)
    return names[0] if names else ""
