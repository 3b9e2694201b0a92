"""Golden images out of the catalog: a copy, or another format, with its checksum beside it."""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from imgpipe.adapters import qemu_img
from imgpipe.digest import sha256_of
from imgpipe.errors import HostError, RecipeError
from imgpipe.events import Listener, Progress
from imgpipe.images.catalog import Image
from imgpipe.own_files import open_for_writing, open_own, write_new
from imgpipe.store import finished_file

ExportFormat = Literal["qcow2", "raw", "vmdk", "vhdx"]
STAGE = "export"

# ioctl of linux/fs.h: share the other file's blocks (XFS, Btrfs), so that a copy takes no room and no time.
_FICLONE = 0x40049409
_PIECE = 64 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """A file that was written, and its sha256, which is also in `<file>.sha256` as sha256sum(1) reads it."""

    path: Path
    sha256: str


def export(
    image: Image, target: Path, notify: Listener, *, form: ExportFormat = "qcow2", force: bool = False
) -> Exported:
    """Write an image to `target`, a file or an existing folder, whole or not at all.

    Raises RecipeError if the file exists and `force` is not given, and HostError if the image in the catalog is not
    what its manifest says: damage is not passed on.
    """
    path = target / f"{image.name}-{image.version}.{form}" if target.is_dir() else target
    checksum = path.with_name(f"{path.name}.sha256")
    _refuse_overwriting(path, checksum, force=force)

    def moved(percent: float) -> None:
        notify(Progress(stage=STAGE, phase=f"Writing {path.name}", percent=percent))

    try:
        with finished_file(path) as partial:
            digest = _copy(image, partial, moved) if form == "qcow2" else _convert(image, partial, form, moved)
            # An old checksum beside a new image would be worse than none.
            checksum.unlink(missing_ok=True)
        with finished_file(checksum) as partial:
            write_new(partial, f"{digest}  {path.name}\n")
    except OSError as error:
        raise HostError(f"The image cannot be exported to '{path}': {error.strerror or error}.") from error
    return Exported(path=path, sha256=digest)


def _refuse_overwriting(path: Path, checksum: Path, *, force: bool) -> None:
    if not path.parent.is_dir():
        raise RecipeError(f"The folder '{path.parent}' does not exist.", hint="Make it, or name another.")
    for taken in (path, checksum):
        if taken.is_dir() or (os.path.lexists(taken) and not force):
            raise RecipeError(f"'{taken}' exists.", hint="Name another file, or overwrite it with '--force'.")


def _copy(image: Image, target: Path, moved: qemu_img.Moved) -> str:
    """Copy the image as it is; what arrived is compared with the manifest."""
    with open_own(image.disk) as source, open_for_writing(target) as file:
        try:
            fcntl.ioctl(file.fileno(), _FICLONE, source.fileno())
        except OSError:
            _copy_data(source.fileno(), file.fileno(), moved)
    digest = sha256_of(target, lambda percent: moved(50 + percent / 2))
    if digest != image.manifest.image.sha256:
        raise _damaged(image)
    return digest


def _copy_data(source: int, target: int, moved: qemu_img.Moved) -> None:
    """Copy what is not a hole (lseek(2), SEEK_DATA), so that a sparse file stays sparse."""
    size = os.fstat(source).st_size
    os.ftruncate(target, size)
    start = 0
    while start < size:
        try:
            start = os.lseek(source, start, os.SEEK_DATA)
        except OSError:
            return
        end = os.lseek(source, start, os.SEEK_HOLE)
        while start < end:
            done = os.copy_file_range(source, target, min(_PIECE, end - start), start, start)
            if done == 0:
                return
            start += done
            moved(50 * start / size)


def _convert(image: Image, target: Path, form: qemu_img.ForeignFormat, moved: qemu_img.Moved) -> str:
    if sha256_of(image.disk, lambda percent: moved(percent * 0.2)) != image.manifest.image.sha256:
        raise _damaged(image)
    qemu_img.export(image.disk, target, form, moved=lambda percent: moved(20 + percent * 0.6))
    return sha256_of(target, lambda percent: moved(80 + percent * 0.2))


def _damaged(image: Image) -> HostError:
    return HostError(
        f"The image '{image.reference}' is damaged: its sha256 is not the manifest's.",
        hint=f"'imgpipe images verify {image.reference}' lists all that is wrong; build it again.",
    )
