"""The images of the stand-in's install.wim: named as Microsoft's media name theirs, empty as a stand-in's are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from imgpipe_windows_standin.installer import faults

_SERVERS = (
    ("win2016", "Windows Server 2016", (10, 0, 14393), ("2k16", "2k19", "2k22", "w10")),
    ("win2008r2", "Windows Server 2008 R2", (6, 1, 7601), ("2k8R2", "w7")),
    # Its own drivers are test-signed since 0.1.217, so that others' are what works in the field.
    ("win2012r2", "Windows Server 2012 R2", (6, 3, 9600), ("2k12R2", "w8.1", "2k8R2", "2k16")),
    ("win2019", "Windows Server 2019", (10, 0, 17763), ("2k19", "2k16", "2k22", "w10")),
    ("win2022", "Windows Server 2022", (10, 0, 20348), ("2k22", "2k19", "2k16", "w10")),
    ("win2025", "Windows Server 2025", (10, 0, 26100), ("2k25", "w11")),
)
_CLIENTS = (
    ("win10", "Windows 10", (10, 0, 19045), ("w10", "2k16", "2k19", "2k22")),
    ("win11", "Windows 11", (10, 0, 26100), ("w11", "2k25")),
)
_SERVER_EDITIONS = (
    ("SERVERSTANDARDCORE", "ServerStandardCore", "Standard"),
    ("SERVERSTANDARD", "ServerStandard", "Standard (Desktop Experience)"),
    ("SERVERDATACENTERCORE", "ServerDatacenterCore", "Datacenter"),
    ("SERVERDATACENTER", "ServerDatacenter", "Datacenter (Desktop Experience)"),
)
_CLIENT_EDITIONS = (("Pro", "Professional", "Pro"), ("Enterprise", "Enterprise", "Enterprise"))


@dataclass(frozen=True, kw_only=True)
class Edition:
    """An image; `system` is imgpipe's name, `drivers` the folders of a virtio-win ISO whose drivers it loads."""

    name: str
    display_name: str
    edition_id: str
    flags: str
    system: str
    product: str
    client: bool
    version: tuple[int, int, int]
    drivers: tuple[str, ...]


def editions() -> Iterator[Edition]:
    """Yield every image: Windows Server 2016's first, as on its medium, then the other systems', then the faults."""
    for system in _SERVERS:
        for name, edition_id, title in _SERVER_EDITIONS:
            yield _edition(system, name, edition_id, title, client=False)
    for system in _CLIENTS:
        for name, edition_id, title in _CLIENT_EDITIONS:
            yield _edition(system, name, edition_id, title, client=True)
    for fault in sorted(faults.NAMES):
        name = f"STANDIN FAULT {fault.upper()}"
        yield _edition(_SERVERS[0], name, "ServerStandard", name, client=False)


def as_json() -> str:
    """Return the images as the build's script reads them."""
    return json.dumps([asdict(edition) for edition in editions()])


_System = tuple[str, str, tuple[int, int, int], tuple[str, ...]]


def _edition(system: _System, name: str, edition_id: str, title: str, *, client: bool) -> Edition:
    imgpipe_name, product, version, drivers = system
    return Edition(
        name=f"{product} {name}",
        display_name=f"{product} {title}",
        edition_id=edition_id,
        flags=name if "FAULT" in name else edition_id,
        system=imgpipe_name,
        product=f"{product} {title}",
        client=client,
        version=version,
        drivers=drivers,
    )
