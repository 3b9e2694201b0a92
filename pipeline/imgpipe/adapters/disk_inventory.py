"""All disks that a libvirt daemon knows of: those of any machine, whoever made it, and the volumes of its pools."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from shlex import quote
from xml.etree import ElementTree as ET

import libvirt

from imgpipe.adapters.hypervisor import Hypervisor
from imgpipe.adapters.libvirt_errors import is_gone, told_as_host_error
from imgpipe.adapters.pools import FILES
from imgpipe.images.disk_uses import DiskUse, DiskUses
from imgpipe.libvirt_words import described

_GONE = {
    libvirt.VIR_ERR_NO_DOMAIN,
    libvirt.VIR_ERR_NO_DOMAIN_SNAPSHOT,
    libvirt.VIR_ERR_NO_DOMAIN_CHECKPOINT,
    libvirt.VIR_ERR_NO_STORAGE_POOL,
    libvirt.VIR_ERR_NO_STORAGE_VOL,
}
# libvirt's test driver has no checkpoints.
_NOT_OFFERED = {libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_ERR_OPERATION_UNSUPPORTED}


def disk_uses(connection: libvirt.virConnect, uri: str, *, local: bool) -> DiskUses:
    """Ask for the disks of all machines, their snapshots and checkpoints, and for all volumes; raises HostError."""
    unknown: list[str] = []
    listed: set[str] = set()
    with told_as_host_error(uri, "list the disks of its machines"):
        uses = [use for domain in connection.listAllDomains() for use in _of_domain(domain, connection)]
    with told_as_host_error(uri, "list its volumes"):
        for pool in connection.listAllStoragePools():
            uses += _of_pool(pool, unknown, listed, local=local)
    found = dict.fromkeys(_known_absent(uses, listed))
    return DiskUses(uri=uri, local=local, uses=tuple(found), unknown=tuple(unknown))


def _known_absent(uses: list[DiskUse], listed: set[str]) -> Iterator[DiskUse]:
    """Yield the uses; in a folder whose volumes were `listed`, a disk that is none of them is an overlay of nothing.

    A machine whose disk is still to be made has such a one.
    """
    volumes = {use.chain[0] for use in uses if use.volume}
    for use in uses:
        last = use.chain[-1]
        yield replace(use, ended=True) if os.path.dirname(last) in listed and last not in volumes else use  # noqa: PTH120


def disk_uses_of(hypervisor: Hypervisor) -> DiskUses:
    """Ask one daemon; raises HostError."""
    return disk_uses(hypervisor.connection, hypervisor.uri, local=hypervisor.local)


def _of_domain(domain: libvirt.virDomain, connection: libvirt.virConnect) -> Iterator[DiskUse]:
    """Yield the disks of a machine: as it will start, as it runs, and as its snapshots and checkpoints remember it."""
    name = str(domain.name())
    texts = [
        _text(lambda: domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)),
        _text(domain.XMLDesc),
        *_texts(domain.listAllSnapshots),
        *_texts(domain.listAllCheckpoints),
    ]
    if _is_there(domain):
        texts.append(_text(domain.managedSaveGetXMLDesc))
    for text in filter(None, texts):
        for disk in described(text).iter("disk"):
            yield from _of_disk(name, disk, connection)


def snapshot_files(domain: libvirt.virDomain) -> frozenset[str]:
    """Return the files that a machine's external snapshots put above its disks; they may be gone since.

    What is in a snapshot's `<disks>` it made itself (https://libvirt.org/formatsnapshot.html).
    """
    snapshots = (described(text) for text in _texts(domain.listAllSnapshots) if text)
    disks = (disk for one in snapshots for disk in one.iterfind("disks/disk[@snapshot='external']/source"))
    return frozenset(path for disk in disks if (path := disk.get("file", "")))


def _is_there(domain: libvirt.virDomain) -> bool:
    try:
        return bool(domain.hasManagedSaveImage() == 1)
    except libvirt.libvirtError as error:
        if error.get_error_code() in _GONE | _NOT_OFFERED:
            return False
        raise


def _of_disk(owner: str, disk: ET.Element, connection: libvirt.virConnect) -> Iterator[DiskUse]:
    """Yield the chain of a `<disk>`, and that of a copy which is being made of it."""
    for node in (disk, *disk.findall("mirror")):
        paths: list[str] = []
        ended, level = False, node
        form = _format(node)
        while path := _path(level, connection):
            paths.append(path)
            below = level.find("backingStore")
            # A raw file has nothing below it, whatever its guest wrote into it.
            ended = form == "raw" or (below is not None and below.find("source") is None)
            if below is None or form == "raw":
                break
            level, form = below, _format(below)
        if paths:
            yield DiskUse(owner=owner, chain=tuple(paths), ended=ended, raw=form == "raw")


def _format(node: ET.Element) -> str:
    for name in ("driver", "format"):
        if (found := node.find(name)) is not None and found.get("type"):
            return str(found.get("type"))
    return ""


def _path(node: ET.Element, connection: libvirt.virConnect) -> str:
    """Return the path of a disk's source; nothing where that is no file, or is a volume that is not there."""
    source = node.find("source")
    if source is None:
        return node.get("file", "")
    if source.get("volume"):
        try:
            pool = connection.storagePoolLookupByName(source.get("pool", ""))
            return str(pool.storageVolLookupByName(source.get("volume", "")).path())
        except libvirt.libvirtError as error:
            # The volumes of a pool that is not active are asked for, or are told as unknown, with the pool.
            if error.get_error_code() in _GONE | {libvirt.VIR_ERR_OPERATION_INVALID}:
                return ""
            raise
    found = source.get("file") or source.get("dev") or ""
    return found if found.startswith("/") else ""


def _unseen(name: str, folder: Path, *, missing: bool) -> str:
    """Say that a pool's volumes cannot be seen, and what to do where its folder was removed, with a data root maybe."""
    if not missing:
        return f"the storage pool '{name}' is not active, so its volumes cannot be seen"
    gone = f"where it is gone for good: 'virsh pool-undefine {quote(name)}'"
    return f"the storage pool '{name}' is not active and its folder '{folder}' is missing; {gone}"


def _of_pool(pool: libvirt.virStoragePool, unknown: list[str], listed: set[str], *, local: bool) -> Iterator[DiskUse]:
    """Yield a pool's volumes; `listed` gets its folder where only libvirt sees it, and told all that is in it."""
    name = str(pool.name())
    definition = described(pool.XMLDesc())
    folder = Path(definition.findtext("target/path") or "")
    is_folder = definition.get("type") in FILES and folder.is_absolute()
    if not pool.isActive():
        # The folder of a pool that is not mounted shows nothing of what is in the pool.
        if local and definition.get("type") == "dir" and os.access(folder, os.R_OK | os.X_OK):
            yield from _files(folder)
        else:
            unknown.append(_unseen(name, folder, missing=local and is_folder and not folder.exists()))
        return
    if is_folder and local and os.access(folder, os.R_OK | os.X_OK):
        yield from _files(folder)
    else:
        try:
            pool.refresh(0)
            if is_folder and not local:
                listed.add(str(folder))
        except libvirt.libvirtError:
            # It refuses while a volume is written, and then still has the list of before.
            unknown.append(f"the storage pool '{name}' could not list its volumes anew")
    for volume in pool.listAllVolumes():
        if text := _text(volume.XMLDesc):
            yield from _of_volume(described(text))


def _files(folder: Path) -> Iterator[DiskUse]:
    """Yield the files of a pool's folder; a stranger's may be newer than libvirt's list."""
    for path in sorted(folder.iterdir()):
        if path.is_file():
            yield DiskUse(owner=str(path), chain=(str(path),), volume=True)


def _of_volume(volume: ET.Element) -> Iterator[DiskUse]:
    path = volume.findtext("target/path") or ""
    below = volume.findtext("backingStore/path") or ""
    if path and volume.get("type", "file") != "dir":
        chain = (path, str(Path(path).parent / below)) if below else (path,)
        yield DiskUse(owner=path, chain=chain, ended=not below, volume=True)


def _texts(ask: Callable[[], list[libvirt.virDomainSnapshot]]) -> Iterator[str]:
    try:
        found = ask()
    except libvirt.libvirtError as error:
        if error.get_error_code() in _GONE | _NOT_OFFERED:
            return
        raise
    for one in found:
        yield _text(one.getXMLDesc)


def _text(ask: Callable[[], str]) -> str:
    """Return an answer in XML; nothing of what is gone meanwhile."""
    try:
        return str(ask())
    except libvirt.libvirtError as error:
        if is_gone(error) or error.get_error_code() in _GONE:
            return ""
        raise
