"""The bytes of a volume, to and from libvirt: sparse where the daemon can, so that holes are not sent."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import libvirt

from imgpipe.adapters.pool import Moved
from imgpipe.adapters.sparse_copy import extents
from imgpipe.errors import HostError

_HEADER = 65_536
"""The first cluster of a qcow2: its header stands here, and is what an upload writes last."""
# What one message of libvirt's protocol carries (VIR_NET_MESSAGE_LEGACY_PAYLOAD_MAX).
_CHUNK = 262_120
_HOLE = -3
_ZEROS = bytes(2**20)
_NOT_SPARSE = {libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_ERR_INVALID_ARG, libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED}


def upload_bytes(volume: libvirt.virStorageVol, data: bytes) -> None:
    """Write a few bytes to the start of a volume."""
    with _stream(volume) as stream:
        volume.upload(stream, 0, len(data), 0)
        _send(stream, data)


Uploaded = Literal["whole", "begun", "other"]


def uploaded(volume: libvirt.virStorageVol, source: Path) -> Uploaded:
    """Say whether the volume was uploaded from `source` to its end, was begun to be, or is something else.

    One that is whole has the source's header; one that was begun has the source's length and no header yet.
    """
    with source.open("rb") as file:
        header = file.read(_HEADER)
    found = b""
    with _stream(volume) as stream:
        volume.download(stream, 0, len(header), 0)
        while len(found) < len(header) and (part := stream.recv(_CHUNK)):
            found += part
    if found == header:
        return "whole"
    return "begun" if not any(found) and volume.info()[1] in {0, source.stat().st_size} else "other"


def upload_checked(volume: libvirt.virStorageVol, source: Path, sha256: str, moved: Moved) -> None:
    """Send a file but for its header, read it back, compare it with `sha256`, and only then send the header.

    Without a `sha256` it is compared with what was sent. `moved` hears 0 to 50 for the way there and 50 to 100 back.
    """
    with source.open("rb") as file:
        header = file.read(_HEADER)
        sent = _upload_rest(volume, file.fileno(), lambda percent: moved(percent / 2), hashlib.sha256(header))
    size = source.stat().st_size
    there = _digest_of_rest(volume, size, lambda percent: moved(50 + percent / 2), hashlib.sha256(header))
    if there != (sha256 or sent):
        raise HostError(
            f"'{source}' did not arrive as it should be: its sha256 is {there}, and not {sha256 or sent}.",
            hint="See whether the image is sound with 'imgpipe images verify', then try again.",
        )
    upload_bytes(volume, header)


def _upload_rest(volume: libvirt.virStorageVol, file: int, moved: Moved, digest: hashlib._Hash) -> str:
    size = os.fstat(file).st_size
    with _stream(volume) as stream:
        sparse = _begin_upload(volume, stream, size)
        place = _HEADER
        _send_hole(stream, min(_HEADER, size), sparse=sparse)
        for start, end in extents(file):
            begin = max(start, place)
            if begin > place:
                _send_hole(stream, begin - place, sparse=sparse, digest=digest)
            place = begin
            while place < end:
                data = os.pread(file, min(_CHUNK, end - place), place)
                if not data:
                    raise HostError("The image became shorter while it was uploaded.")
                _send(stream, data)
                digest.update(data)
                place += len(data)
                moved(100.0 * place / size)
        if place < size:
            _send_hole(stream, size - place, sparse=sparse, digest=digest)
    return digest.hexdigest()


def _begin_upload(volume: libvirt.virStorageVol, stream: libvirt.virStream, size: int) -> bool:
    """Begin; return whether holes can be told as such (libvirt 3.4 and later, where the daemon has the file)."""
    try:
        volume.upload(stream, 0, size, libvirt.VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM)
    except libvirt.libvirtError as error:
        if error.get_error_code() not in _NOT_SPARSE:
            raise
        volume.upload(stream, 0, size, 0)
        return False
    return True


def _digest_of_rest(volume: libvirt.virStorageVol, size: int, moved: Moved, digest: hashlib._Hash) -> str:
    place = 0
    with _stream(volume) as stream:
        flags = libvirt.VIR_STREAM_RECV_STOP_AT_HOLE
        try:
            volume.download(stream, 0, size, libvirt.VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM)
        except libvirt.libvirtError as error:
            if error.get_error_code() not in _NOT_SPARSE:
                raise
            volume.download(stream, 0, size, 0)
            flags = 0
        while part := stream.recvFlags(_CHUNK, flags):
            if part == _HOLE:
                length = stream.recvHole()
                _add_zeros(digest, length - max(0, min(length, _HEADER - place)))
                place += length
            else:
                digest.update(part[max(0, _HEADER - place) :])
                place += len(part)
            moved(100.0 * place / size)
    return digest.hexdigest()


def _send(stream: libvirt.virStream, data: bytes) -> None:
    place = 0
    while place < len(data):
        place += stream.send(data[place : place + _CHUNK])


def _send_hole(stream: libvirt.virStream, length: int, *, sparse: bool, digest: hashlib._Hash | None = None) -> None:
    if digest:
        _add_zeros(digest, length)
    if sparse:
        stream.sendHole(length)
        return
    while length > 0:
        part = min(length, _CHUNK)
        _send(stream, _ZEROS[:part])
        length -= part


def _add_zeros(digest: hashlib._Hash, length: int) -> None:
    while length > 0:
        part = min(length, len(_ZEROS))
        digest.update(_ZEROS[:part])
        length -= part


@contextmanager
def _stream(volume: libvirt.virStorageVol) -> Iterator[libvirt.virStream]:
    """Yield a stream that is finished after the block, or broken off if that failed."""
    stream = volume.connect().newStream(0)
    try:
        yield stream
    except BaseException:
        _abort(stream)
        raise
    stream.finish()


def _abort(stream: libvirt.virStream) -> None:
    try:
        stream.abort()
    except libvirt.libvirtError:
        return
