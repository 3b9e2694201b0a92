"""Whether a published image still is what its manifest says."""

from __future__ import annotations

import stat

from imgpipe.adapters import qemu_img
from imgpipe.digest import sha256_of
from imgpipe.errors import HostError
from imgpipe.events import Listener, Progress
from imgpipe.images.catalog import Image

STAGE = "verify"


def faults(image: Image, notify: Listener) -> tuple[str, ...]:
    """Return everything that is wrong with an image, as sentences; nothing if it is sound.

    Its bytes are compared with the manifest's digest, then qemu-img looks at the tables within.
    """
    try:
        return (*_file_faults(image), *_digest_faults(image, notify), *_format_faults(image), *_side_faults(image))
    except OSError as error:
        return (f"'{error.filename}' cannot be read: {error.strerror}",)


def _file_faults(image: Image) -> tuple[str, ...]:
    found = image.disk.lstat()
    told = []
    if found.st_mode & 0o222:
        told.append(f"'{image.disk.name}' is writable (mode {stat.S_IMODE(found.st_mode):04o}); it should be 0444")
    if found.st_size != image.manifest.image.size:
        told.append(f"'{image.disk.name}' has {found.st_size} bytes; the manifest says {image.manifest.image.size}")
    return tuple(told)


def _digest_faults(image: Image, notify: Listener) -> tuple[str, ...]:
    def moved(percent: float) -> None:
        notify(Progress(stage=STAGE, phase=f"Reading {image.reference}", percent=percent))

    digest = sha256_of(image.disk, moved)
    if digest == image.manifest.image.sha256:
        return ()
    return (f"'{image.disk.name}' has sha256 {digest}; the manifest says {image.manifest.image.sha256}",)


def _format_faults(image: Image) -> tuple[str, ...]:
    expected = image.manifest.image
    try:
        found = qemu_img.info(image.disk)
        if found.format != expected.format:
            return (f"'{image.disk.name}' has the format '{found.format}', not '{expected.format}'",)
        told = []
        if found.virtual_size != expected.virtual_size:
            told.append(f"the disk has {found.virtual_size} bytes; the manifest says {expected.virtual_size}")
        if found.backing is not None:
            told.append(f"it is an overlay of '{found.backing}', so not whole by itself")
            return tuple(told)
        qemu_img.check(image.disk)
    except HostError as error:
        return (f"qemu-img refuses '{image.disk.name}': {' '.join(error.details[1:]) or error}",)
    return tuple(told)


def _side_faults(image: Image) -> tuple[str, ...]:
    told = []
    for name, digest in image.manifest.files.items():
        path = image.folder / name
        if path.parent != image.folder or not path.is_file():
            told.append(f"'{name}' is missing")
        elif sha256_of(path) != digest:
            told.append(f"'{name}' was changed after it was published")
    return tuple(told)
