"""Golden images out of the catalog: a copy, or another format, with its checksum beside it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from imgpipe.adapters import qemu_img
from imgpipe.adapters.sparse_copy import Moved, copy_open
from imgpipe.digest import sha256_of, sha256_of_open
from imgpipe.errors import HostError, RecipeError
from imgpipe.events import Listener, Progress
from imgpipe.images.catalog import Image
from imgpipe.images.soundness import require_whole
from imgpipe.own_files import open_own

ExportFormat = Literal["qcow2", "raw", "vmdk", "vhdx"]
STAGE = "export"


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """How an export is written. Without `compression` and `compat` a qcow2 is copied as it is.

    `compat` is the oldest QEMU that shall read a qcow2; before 1.1 there is zlib alone.
    """

    form: ExportFormat = "qcow2"
    compression: qemu_img.Compression | None = None
    compat: qemu_img.Compat | None = None

    @property
    def is_anew(self) -> bool:
        """Say whether the image is converted, and not copied."""
        return self.form != "qcow2" or bool(self.compression or self.compat)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """A file that was written, and its sha256, which is also in `<file>.sha256` as sha256sum(1) reads it."""

    path: Path
    sha256: str


_AS_IT_IS = Encoding()


def export(
    image: Image,
    target: Path,
    notify: Listener,
    encoding: Encoding = _AS_IT_IS,
    *,
    force: bool = False,
) -> Exported:
    """Write an image to `target`, a file or an existing folder, whole or not at all.

    Raises RecipeError for an encoding that does not exist, and if the file exists and `force` is not given; HostError
    if the image in the catalog is not what its manifest says: damage is not passed on.
    """
    _refuse_contradictions(encoding)
    path = target / f"{image.name}-{image.version}.{encoding.form}" if target.is_dir() else target
    checksum = path.with_name(f"{path.name}.sha256")
    _refuse_overwriting(path, checksum, force=force)

    def moved(percent: float) -> None:
        notify(Progress(stage=STAGE, phase=f"Writing {path.name}", percent=percent))

    try:
        with _written(path) as file:
            digest = _convert(image, file, encoding, moved) if encoding.is_anew else _copy(image, file, moved)
            # An old checksum beside a new image would be worse than none.
            checksum.unlink(missing_ok=True)
        with _written(checksum) as file:
            file.write(f"{digest}  {path.name}\n".encode())
    except OSError as error:
        raise HostError(f"The image cannot be exported to '{path}': {error.strerror or error}.") from error
    return Exported(path=path, sha256=digest)


def _refuse_contradictions(encoding: Encoding) -> None:
    for option, value in (("--compression", encoding.compression), ("--compat", encoding.compat)):
        if value and encoding.form != "qcow2":
            raise RecipeError(f"'{option}' is of qcow2, not of {encoding.form}.")
    if encoding.compat == "0.10" and encoding.compression == "zstd":
        raise RecipeError(
            "A qcow2 for QEMU before 1.1 cannot be compressed with zstd.", hint="Leave '--compression' out: it is zlib."
        )


def _refuse_overwriting(path: Path, checksum: Path, *, force: bool) -> None:
    if not path.parent.is_dir():
        raise RecipeError(f"The folder '{path.parent}' does not exist.", hint="Make it, or name another.")
    for taken in (path, checksum):
        if taken.is_dir() or (os.path.lexists(taken) and not force):
            raise RecipeError(f"'{taken}' exists.", hint="Name another file, or overwrite it with '--force'.")


@contextmanager
def _written(path: Path) -> Iterator[BinaryIO]:
    """Yield a file to write to that becomes `path` if the block succeeds.

    The folder may be somebody else's, who can put a link wherever a name is about to be written to. So the file is made
    anew, and written to by its descriptor only. Raises OSError, and HostError where it was replaced meanwhile.
    """
    partial = path.with_name(f"{path.name}.partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(descriptor)
            if not os.path.samestat(partial.lstat(), os.fstat(descriptor)):
                raise HostError(
                    f"'{partial}' was replaced while it was written.",
                    hint="Export to a folder that nobody else writes to.",
                )
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _copy(image: Image, target: BinaryIO, moved: Moved) -> str:
    """Copy the image as it is; what arrived is compared with the manifest."""
    with open_own(image.disk) as source:
        copy_open(source.fileno(), target.fileno(), lambda percent: moved(percent / 2))
    digest = sha256_of_open(target, lambda percent: moved(50 + percent / 2))
    if digest != image.manifest.image.sha256:
        raise _damaged(image)
    return digest


def _convert(image: Image, target: BinaryIO, encoding: Encoding, moved: Moved) -> str:
    if sha256_of(image.disk, lambda percent: moved(percent * 0.2)) != image.manifest.image.sha256:
        raise _damaged(image)
    # Whoever wrote the manifest chose the digest too: QEMU reads no other files for him.
    require_whole(image)
    place = Path(f"/proc/{os.getpid()}/fd/{target.fileno()}")

    def converted(percent: float) -> None:
        moved(20 + percent * 0.6)

    if encoding.form == "qcow2":
        # What is not compressed would be three times as large; every QEMU reads zlib.
        how = encoding.compression or "zlib"
        qemu_img.convert(image.disk, place, compress=how, compat=encoding.compat or "1.1", moved=converted)
    else:
        qemu_img.export(image.disk, place, encoding.form, moved=converted)
    return sha256_of_open(target, lambda percent: moved(80 + percent * 0.2))


def _damaged(image: Image) -> HostError:
    return HostError(
        f"The image '{image.reference}' is damaged: its sha256 is not the manifest's.",
        hint=f"'imgpipe images verify {image.reference}' lists all that is wrong; build it again.",
    )
