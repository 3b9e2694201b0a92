"""Storage pools: where machines' disks lie, each a volume of one libvirt pool that is a folder.

On this host a pool's files are made directly, which is a hundred times faster; everywhere else, and where this user
may not write there, libvirt's storage API makes them.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from shlex import quote
from xml.etree import ElementTree as ET

import libvirt

from imgpipe.adapters.hypervisor import Hypervisor
from imgpipe.adapters.libvirt_errors import told_as_host_error
from imgpipe.adapters.pool import Pool
from imgpipe.adapters.pool_folder import FolderPool
from imgpipe.adapters.pool_volumes import VolumePool
from imgpipe.errors import HostError, RecipeError
from imgpipe.events import Listener, Note
from imgpipe.libvirt_words import described

_OURS = "imgpipe"
_THEIRS = "default"
FILES = frozenset({"dir", "fs", "netfs"})
"""The types of pools whose volumes are files in a folder."""


def open_pool(hypervisor: Hypervisor, name: str | None, default_folder: Path, notify: Listener) -> Pool:
    """Open the pool `name`, else the default one: imgpipe's own at `default_folder`, or 'default' on another host.

    imgpipe's own is defined, started and autostarted if it is not there yet. Raises RecipeError if there is no such
    pool, or its volumes are no files; HostError if libvirt fails.
    """
    with told_as_host_error(hypervisor.uri, f"open the storage pool '{name or _OURS}'"):
        if name is None and hypervisor.local:
            _make_folder(default_folder)
            found = _own_pool(hypervisor.connection, default_folder)
            pool = _define(hypervisor.connection, found, default_folder, notify) if isinstance(found, str) else found
        elif _is_lost_own(hypervisor, name, default_folder):
            # Machines may be in it still.
            pool = _define(hypervisor.connection, name or _OURS, default_folder, notify)
        else:
            pool = _named(hypervisor.connection, name or _THEIRS, hypervisor.uri)
        return _opened(hypervisor, pool)


def _is_lost_own(hypervisor: Hypervisor, name: str | None, folder: Path) -> bool:
    """Say whether a name is of imgpipe's own pool, which somebody undefined; its files are still there."""
    if not (name and hypervisor.local and folder.is_dir()) or _find(hypervisor.connection, name) is not None:
        return False
    return _own_pool(hypervisor.connection, folder) == name


def planned_pool(hypervisor: Hypervisor, name: str | None, default_folder: Path) -> Pool:
    """Return what `open_pool` would, for a plan: no pool is made or started, and it can only be looked at.

    Raises HostError for a pool that is not active where its folder is not this host's: what is in it is not known.
    """
    with told_as_host_error(hypervisor.uri, f"look at the storage pool '{name or _OURS}'"):
        if name is None and hypervisor.local:
            found = _own_pool(hypervisor.connection, default_folder)
            if isinstance(found, str) or not found.isActive():
                return FolderPool(found if isinstance(found, str) else str(found.name()), default_folder, None)
            return _opened(hypervisor, found)
        if _is_lost_own(hypervisor, name, default_folder):
            return FolderPool(name or _OURS, default_folder, None)
        found = _named(hypervisor.connection, name or _THEIRS, hypervisor.uri)
        if found.isActive():
            return _opened(hypervisor, found)
        if hypervisor.local:
            return FolderPool(str(found.name()), _path_of(found), None)
        raise HostError(
            f"The storage pool '{found.name()}' is not active, and a plan does not start it: what is in it is unknown.",
            hint=f"Start it: 'virsh -c {quote(hypervisor.uri)} pool-start {quote(found.name())}'.",
        )


def is_open(hypervisor: Hypervisor, name: str | None, default_folder: Path) -> bool:
    """Say whether `open_pool` would find the pool there and started. Raises HostError if libvirt fails."""
    with told_as_host_error(hypervisor.uri, f"look at the storage pool '{name or _OURS}'"):
        if name is None and hypervisor.local:
            own = _own_pool(hypervisor.connection, default_folder)
            return not isinstance(own, str) and own.isActive() == 1 and default_folder.is_dir()
        found = _find(hypervisor.connection, name or _THEIRS)
        return found is not None and found.isActive() == 1


def _opened(hypervisor: Hypervisor, pool: libvirt.virStoragePool) -> Pool:
    try:
        if not pool.isActive():
            pool.create(0)
    except libvirt.libvirtError:
        # Another imgpipe may have been faster.
        if not pool.isActive():
            raise
    path = _path_of(pool)
    if hypervisor.local and path.is_dir() and os.access(path, os.W_OK | os.X_OK):
        return FolderPool(str(pool.name()), path, pool)
    volumes = VolumePool(pool, path, hypervisor.uri)
    volumes.refresh()
    return volumes


def _own_pool(connection: libvirt.virConnect, folder: Path) -> libvirt.virStoragePool | str:
    """Find the pool of this data root, or return its name; where another data root has that, it has one of its own."""
    for name in (_OURS, f"{_OURS}-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:8]}"):
        pool = _find(connection, name)
        if pool is None:
            return name
        if _path_of(pool) == folder:
            return pool
    raise HostError(f"The storage pools of libvirt disagree about '{folder}'.", hint="Name one with '--pool'.")


def _define(connection: libvirt.virConnect, name: str, folder: Path, notify: Listener) -> libvirt.virStoragePool:
    element = ET.Element("pool", type="dir")
    ET.SubElement(element, "name").text = name
    ET.SubElement(ET.SubElement(element, "target"), "path").text = str(folder)
    try:
        pool = connection.storagePoolDefineXML(ET.tostring(element, encoding="unicode"), 0)
    except libvirt.libvirtError:
        # Another imgpipe may have been faster.
        pool = _find(connection, name)
        if pool is None or _path_of(pool) != folder:
            raise
        return pool
    pool.setAutostart(1)
    notify(Note(text=f"Machines' disks are kept in '{folder}', which is libvirt's storage pool '{name}' now."))
    return pool


def _make_folder(folder: Path) -> None:
    """Make the folder; QEMU's own user passes through, and nobody may list it."""
    try:
        if not folder.is_dir():
            folder.mkdir(parents=True)
            folder.chmod(0o711)
    except OSError as error:
        raise HostError(f"The folder '{folder}' cannot be made: {error.strerror}.") from error


def _named(connection: libvirt.virConnect, name: str, uri: str) -> libvirt.virStoragePool:
    pool = _find(connection, name)
    if pool is None:
        known = ", ".join(sorted(pool.name() for pool in connection.listAllStoragePools())) or "none"
        raise RecipeError(
            f"There is no storage pool '{name}' at '{uri}'.",
            hint=f"Pools there: {known}. Name one with '--pool', or make it: "
            f"'virsh -c {quote(uri)} pool-define-as {quote(name)} dir --target FOLDER', 'pool-build {name}', "
            f"'pool-start {name}' "
            f"and 'pool-autostart {name}'.",
        )
    return pool


def _find(connection: libvirt.virConnect, name: str) -> libvirt.virStoragePool | None:
    try:
        return connection.storagePoolLookupByName(name)
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_STORAGE_POOL:
            return None
        raise


def _path_of(pool: libvirt.virStoragePool) -> Path:
    """Return the pool's folder; raises RecipeError if it has none."""
    element = described(pool.XMLDesc())
    path = element.findtext("target/path")
    if element.get("type") not in FILES or not path:
        raise RecipeError(
            f"The storage pool '{pool.name()}' is of type '{element.get('type')}', whose volumes are no files.",
            hint="Name a pool that is a folder, with '--pool'.",
        )
    return Path(path)
