"""Lint of the network section: the addresses in it, as netplan reads them (its reference, `addresses` and `routes`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface

from imgpipe.os_family import Fault
from imgpipe_ubuntu.yaml_document import Path

_KINDS = ("ethernets", "wifis", "bridges", "bonds", "vlans")


def network_faults(network: object, line: Callable[[Path], int]) -> Iterator[Fault]:
    """Yield the faults of the addresses of a network section; `line` says where a path inside of it is."""
    inner = network.get("network") if isinstance(network, dict) else None
    prefix: Path = ("network",) if isinstance(inner, dict) else ()
    section = inner if isinstance(inner, dict) else network
    if not isinstance(section, dict):
        return
    for kind in _KINDS:
        devices = section.get(kind)
        for name, device in (devices if isinstance(devices, dict) else {}).items():
            if isinstance(device, dict):
                path: Path = (*prefix, kind, str(name))
                for severity_path, fault in _device(device):
                    where = line((*path, *severity_path))
                    yield Fault(line=where, text=fault.text, severity=fault.severity)


def _device(device: dict[str, object]) -> Iterator[tuple[Path, Fault]]:
    networks: list[IPv4Interface | IPv6Interface] = []
    for number, given in enumerate(_items(device.get("addresses"))):
        text = str(next(iter(given), "")) if isinstance(given, dict) else str(given)
        try:
            networks.append(ip_interface(text))
        except ValueError:
            yield ("addresses", number), Fault(line=0, text=f"'{text}' is no address.")
            continue
        if "/" not in text:
            yield ("addresses", number), Fault(line=0, text=f"The address '{text}' needs its prefix, such as '/24'.")
    for path, gateway in _gateways(device):
        try:
            address = ip_address(gateway)
        except ValueError:
            yield path, Fault(line=0, text=f"'{gateway}' is no address of a gateway.")
            continue
        near = [each for each in networks if each.version == address.version]
        on_link = path[0] == "routes" and isinstance(path[1], int) and _is_on_link(device, path[1])
        if near and not on_link and not address.is_link_local and not any(address in each.network for each in near):
            text = f"The gateway '{gateway}' is in no network of this device's addresses."
            yield path, Fault(line=0, text=text, severity="warning")


def _gateways(device: dict[str, object]) -> Iterator[tuple[Path, str]]:
    for key in ("gateway4", "gateway6"):
        if isinstance(device.get(key), str):
            yield (key,), str(device[key])
    for number, route in enumerate(_items(device.get("routes"))):
        if isinstance(route, dict) and isinstance(route.get("via"), str):
            yield ("routes", number, "via"), route["via"]


def _is_on_link(device: dict[str, object], number: int) -> bool:
    route = _items(device.get("routes"))[number]
    return isinstance(route, dict) and route.get("on-link") is True


def _items(value: object) -> list[object]:
    return value if isinstance(value, list) else []
