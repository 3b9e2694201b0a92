"""Names that this host and its libvirt have, for a shell that completes a word: nothing is started, changed or awaited.

A connection is read-only, to a daemon of this host that runs already; where there is none, no name is known.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Literal

import libvirt

from imgpipe.adapters import libvirt_daemon
from imgpipe.adapters.libvirt_errors import silence
from imgpipe.deploy.metadata import from_xml

Kind = Literal["machines", "networks", "pools"]

# Of this host alone: ssh would ask for passwords in the middle of a word.
_OF_THIS_HOST = re.compile(r"(qemu|test)(\+unix)?:///.*")
_DEVICES = Path("/sys/class/net")


def bridges(devices: Path = _DEVICES) -> list[str]:
    """Return the names of the host's bridges, sorted."""
    return sorted(path.parent.name for path in devices.glob("*/bridge"))


def names(uri: str, kind: Kind) -> list[str]:
    """Return the names of all machines, networks or pools that libvirt has, sorted; none where it does not answer."""
    with _connected(uri) as connection:
        if connection is None:
            return []
        listed = {
            "machines": connection.listAllDomains,
            "networks": connection.listAllNetworks,
            "pools": connection.listAllStoragePools,
        }
        try:
            return sorted(one.name() for one in listed[kind]())
        except libvirt.libvirtError:
            return []


def machines(uri: str) -> list[tuple[str, str, str]]:
    """Return name, fleet and group of each machine of imgpipe's, sorted; none where libvirt does not answer.

    A machine that was copied with its metadata is none.
    """
    with _connected(uri) as connection:
        return sorted(_ours(connection)) if connection else []


def _ours(connection: libvirt.virConnect) -> Iterator[tuple[str, str, str]]:
    try:
        domains = connection.listAllDomains()
    except libvirt.libvirtError:
        return
    for domain in domains:
        try:
            told = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
            name, uuid = domain.name(), domain.UUIDString()
        except libvirt.libvirtError:
            continue
        record = from_xml(told)
        if record and record.uuid in ("", uuid):
            yield name, record.fleet, record.group


@contextmanager
def _connected(uri: str) -> Iterator[libvirt.virConnect | None]:
    """Yield a connection; None where none can be had without starting a daemon or leaving this host."""
    silence()
    try:
        connection = libvirt.openReadOnly(uri) if _is_there(uri) else None
    except libvirt.libvirtError:
        connection = None
    if connection is None:
        yield None
        return
    with closing(connection):
        yield connection


def _is_there(uri: str) -> bool:
    """Say whether somebody on this host listens; libvirt would start a session's daemon by itself."""
    if not _OF_THIS_HOST.fullmatch(uri):
        return False
    if uri.startswith("qemu:///session") and os.geteuid() != 0:
        return libvirt_daemon.session_daemon_answers()
    return True
