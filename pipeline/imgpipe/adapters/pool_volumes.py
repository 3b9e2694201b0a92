"""A pool reached through libvirt's storage API only: of another host, or in a folder that this user may not write."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from shlex import quote
from xml.etree import ElementTree as ET

import libvirt

from imgpipe.adapters import qemu_img, volume_streams
from imgpipe.adapters.libvirt_errors import host_error, told_as_host_error
from imgpipe.adapters.pool import Base, Moved, unheard
from imgpipe.disk_source import CheckedDisk, held
from imgpipe.errors import HostError
from imgpipe.libvirt_words import described

# How often, and how far apart in seconds, a volume is asked for that cannot be described.
_LOOKS = 20
_APART_S = 0.1


class VolumePool:
    """A pool whose volumes libvirt makes."""

    local = False

    def __init__(self, pool: libvirt.virStoragePool, path: Path, uri: str) -> None:
        self.name = str(pool.name())
        self.path = path
        self._pool = pool
        self._uri = uri

    def names(self) -> frozenset[str]:
        """Return the names of all volumes."""
        with self._told("list the volumes"):
            return frozenset(self._pool.listVolumes())

    def free(self) -> int:
        """Return how many bytes libvirt says are left."""
        with self._told("say what room is left"):
            return int(self._pool.info()[3])

    def file(self, name: str) -> Path:
        """Return the path of a volume on the hypervisor's host."""
        return self.path / name

    def base(
        self, source: Path, volume: str, sha256: str, moved: Moved = unheard, foreign: CheckedDisk | None = None
    ) -> Base:
        """Upload the image unless it is there.

        libvirt cannot rename a volume, so what makes an upload whole is its header: it is written last, when all
        else was read back and found right. Without its header a volume is no qcow2, and is begun anew. Raises HostError
        for a volume of that name that is neither.
        """
        if foreign and (foreign.format != "qcow2" or len(foreign.layers) > 1):
            raise HostError(
                f"'{source}' is no image that can be uploaded: it must be a qcow2 without backing files.",
                hint=f"Make an image of it: 'imgpipe import {quote(source.stem)} --disk {quote(str(source))}'.",
            )
        if foreign:
            with held(foreign.layers) as files:
                base = Base(path=self.file(volume), format="qcow2", virtual_size=foreign.virtual_size)
                return self._uploaded(files.files[0], foreign.layers[0].head, base, sha256, moved)
        known = qemu_img.info(source)
        if known.backing:
            raise HostError(f"'{source}' is no image that can be uploaded: it has a backing file.")
        base = Base(path=self.file(volume), format="qcow2", virtual_size=known.virtual_size)
        return self._uploaded(source, volume_streams.header_of(source), base, sha256, moved)

    def _uploaded(self, source: Path, header: bytes, base: Base, sha256: str, moved: Moved) -> Base:
        volume = base.path.name
        with self._told(f"upload '{volume}'"):
            found = self._find(volume)
            state = volume_streams.uploaded(found, source, header) if found is not None else "begun"
            if state == "whole":
                return base
            if state == "other":
                raise HostError(
                    f"The pool '{self.name}' has a volume '{volume}' already, which is not the image '{source}'.",
                    hint="Name another pool, or 'imgpipe machines destroy --leftover "
                    f"{quote(self.name)}/{quote(volume)}' if nobody needs it.",
                )
            if found is not None:
                found.delete(0)
            # Readable by QEMU, whose user does not own it.
            made = self._pool.createXML(_xml(volume, "raw", source.stat().st_size, mode="0644"), 0)
            with _whole_or_gone(made):
                volume_streams.upload_checked(made, source, header, sha256, moved)
            self.refresh()
        return base

    def overlay(self, name: str, base: Base, size: int, mark: str = "") -> None:  # noqa: ARG002
        """Let libvirt make an overlay."""
        with self._told(f"make the volume '{name}'"):
            self._create(name, "qcow2", size, base)

    def copy(self, name: str, base: Base, size: int, moved: Moved = unheard, mark: str = "") -> None:  # noqa: ARG002
        """Let libvirt copy the image on its own host."""
        with self._told(f"make the volume '{name}'"):
            source = self._pool.storageVolLookupByName(base.path.name)
            made = self._pool.createXMLFrom(_xml(name, "qcow2", max(size, base.virtual_size)), source, 0)
            with _whole_or_gone(made):
                if made.info()[1] < size:
                    made.resize(size)

    def write_small(self, name: str, data: bytes, mark: str = "") -> None:
        """Make a raw volume and send its content; libvirt refuses to make one that is there."""
        if not mark:
            self.delete(name)
        with self._told(f"write the volume '{name}'"):
            made = self._create(name, "raw", len(data))
            with _whole_or_gone(made):
                volume_streams.upload_bytes(made, data)

    def proof(self, name: str) -> str:
        """Return what libvirt says of a volume that changes when it is written to, or made anew."""
        with self._told(f"look at the volume '{name}'"):
            text = self._description(name)
        volume = described(text or "<gone/>")
        written, size = volume.findtext("target/timestamps/mtime"), volume.findtext("capacity")
        return f"written {written}, {size} bytes" if written and size else ""

    def is_own(self, name: str, mark: str, proof: str) -> bool:  # noqa: ARG002
        """Compare proofs: libvirt has no place for a mark."""
        return bool(proof) and self.proof(name) == proof

    def hidden(self, name: str, mark: str) -> tuple[str, ...]:  # noqa: ARG002
        """Return nothing: a volume has one name."""
        return ()

    def unmark(self, mark: str, *names: str) -> None:
        """Do nothing: no volume has a mark."""

    def grow(self, name: str, size: int) -> None:
        """Make a virtual disk larger."""
        with self._told(f"grow the volume '{name}'"):
            self._pool.storageVolLookupByName(name).resize(size)

    def delete(self, *names: str) -> None:
        """Delete volumes; those that are gone already are fine."""
        for name in names:
            with self._told(f"delete the volume '{name}'"):
                found = self._find(name)
                if found is not None:
                    found.delete(0)

    def require_unused(self, *names: str) -> None:
        """Do nothing: libvirt does not tell of locks."""

    def backing(self, name: str) -> Path | None:
        """Ask libvirt what a volume is an overlay of; one that somebody deletes meanwhile is an overlay of nothing."""
        with self._told(f"look at the volume '{name}'"):
            text = self._description(name)
        path = described(text).findtext("backingStore/path") if text else None
        return Path(path) if path else None

    def flatten(self, name: str, moved: Moved = unheard) -> bool:  # noqa: ARG002
        """Say that it cannot: libvirt's storage API has no such verb."""
        return False

    def refresh(self) -> None:
        """Let libvirt look at its folder anew; it refuses while a volume is being written, which is no matter."""
        try:
            self._pool.refresh(0)
        except libvirt.libvirtError as error:
            if error.get_error_code() not in {libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_ERR_OPERATION_INVALID}:
                raise host_error(error, self._uri, f"refresh the pool '{self.name}'") from error

    def _description(self, name: str) -> str:
        """Return a volume's XML; empty where it is gone, which libvirt's list may tell later than its file."""
        for left in reversed(range(_LOOKS)):
            found = self._find(name)
            if found is None:
                return ""
            try:
                return str(found.XMLDesc())
            except libvirt.libvirtError:
                if not left:
                    raise
                time.sleep(_APART_S)
        return ""

    def _find(self, name: str) -> libvirt.virStorageVol | None:
        try:
            return self._pool.storageVolLookupByName(name)
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_STORAGE_VOL:
                return None
            raise

    def _create(self, name: str, form: str, size: int, base: Base | None = None) -> libvirt.virStorageVol:
        return self._pool.createXML(_xml(name, form, size, base), 0)

    def _told(self, doing: str) -> AbstractContextManager[None]:
        return told_as_host_error(self._uri, f"{doing} in the pool '{self.name}'")


@contextmanager
def _whole_or_gone(volume: libvirt.virStorageVol) -> Iterator[None]:
    """Delete the volume, which this process made, if the block fails."""
    try:
        yield
    except BaseException:
        with suppress(libvirt.libvirtError):
            volume.delete(0)
        raise


def _xml(name: str, form: str, size: int, base: Base | None = None, mode: str = "0600") -> str:
    """Return a volume's XML (https://libvirt.org/formatstorage.html); nothing is allocated before it is written."""
    volume = ET.Element("volume")
    ET.SubElement(volume, "name").text = name
    ET.SubElement(volume, "capacity", unit="bytes").text = str(size)
    ET.SubElement(volume, "allocation", unit="bytes").text = "0"
    target = ET.SubElement(volume, "target")
    ET.SubElement(target, "format", type=form)
    ET.SubElement(ET.SubElement(target, "permissions"), "mode").text = mode
    if base:
        backing = ET.SubElement(volume, "backingStore")
        ET.SubElement(backing, "path").text = str(base.path)
        ET.SubElement(backing, "format", type=base.format)
    return ET.tostring(volume, encoding="unicode")
