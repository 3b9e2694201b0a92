"""Disk images: qemu-img(1) in a few verbs."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from imgpipe.adapters import process
from imgpipe.adapters.temporary import temporary_folder
from imgpipe.errors import HostError

ForeignFormat = Literal["raw", "vmdk", "vhdx"]
Compression = Literal["zstd", "zlib"]
Compat = Literal["1.1", "0.10"]
"""The oldest QEMU that reads a qcow2: version 3 or 2 of the format (docs/interop/qcow2.rst in QEMU)."""
Moved = Callable[[float], None]
"""Told how many percent are done."""

_FOREIGN: dict[ForeignFormat, tuple[str, ...]] = {
    "raw": ("-O", "raw"),
    "vmdk": ("-O", "vmdk", "-o", "subformat=streamOptimized"),
    "vhdx": ("-O", "vhdx", "-o", "subformat=dynamic"),
}
_PERCENT = re.compile(r"\((\d+\.\d+)/100%\)")


CLUSTER = 65_536


def _unheard(_percent: float) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageInfo:
    """What `qemu-img info` says; sizes in bytes, `backing` as the image names it."""

    format: str
    virtual_size: int
    disk_size: int
    backing: Path | None


def create(path: Path, size: int) -> None:
    """Create an empty qcow2 image of `size` bytes that only its owner may read."""
    process.run("qemu-img", "create", "-q", "-f", "qcow2", path, str(size))
    path.chmod(0o600)


def create_overlay(path: Path, backing: Path, *, backing_format: str = "qcow2", size: int | None = None) -> None:
    """Create an image that keeps its changes apart from `backing`; of its size, unless told another in bytes."""
    _overlay(path, os.fspath(backing.resolve()), backing_format, *([str(size)] if size else []))


def create_overlay_of_named(path: Path, name: str, form: str) -> None:
    """Create an overlay of what QEMU opens by a `json:` name, whose format is `form`."""
    _overlay(path, name, form)


def create_with_start(path: Path, start: Path, rest: Path, *, size: int) -> None:
    """Create an image of at least `size` bytes: its first 64 KiB are those of `start`, the others those of `rest`.

    `start` has no more than 64 KiB, and not only zeros: it fills the image's first cluster, in which nothing of `rest`
    is seen. Both files are raw to it.
    """
    process.run("qemu-img", "convert", "-q", "-f", "raw", "-O", "qcow2", "-o", f"cluster_size={CLUSTER}", start, path)
    # Before it has something below it: a larger overlay would hide the end of that behind zeros.
    process.run("qemu-img", "resize", "-q", "-f", "qcow2", path, str(max(1, -(-size // CLUSTER)) * CLUSTER))
    process.run("qemu-img", "rebase", "-q", "-u", "-f", "qcow2", "-b", rest, "-F", "raw", path)
    path.chmod(0o600)


def resize(path: Path, size: int) -> None:
    """Make the virtual disk of a qcow2 image `size` bytes large; it never becomes smaller."""
    process.run("qemu-img", "resize", "-q", "-f", "qcow2", path, str(size))


def make_independent(path: Path, *, moved: Moved = _unheard) -> None:
    """Copy what an overlay has in its backing files into the overlay itself, in place.

    The overlay lets go of its backing files last, so one that was interrupted is still whole.
    """
    _follow("rebase", "-p", "-f", "qcow2", "-b", "", path, moved=moved)


def info(path: Path, form: str = "qcow2") -> ImageInfo:
    """Read the sizes of an image of a known format, also while a machine uses it; HostError if it is of another."""
    told = json.loads(process.run("qemu-img", "info", "--force-share", "--output=json", "-f", form, path))
    backing = told.get("full-backing-filename") or told.get("backing-filename")
    return ImageInfo(
        format=told["format"],
        virtual_size=told["virtual-size"],
        disk_size=told["actual-size"],
        backing=Path(backing) if backing else None,
    )


def convert(
    source: Path,
    target: Path,
    *,
    compress: Compression | None = None,
    compat: Compat = "1.1",
    moved: Moved = _unheard,
) -> None:
    """Copy an image, its backing files merged in, to a qcow2 of its own; sparse, compressed on request."""
    # QEMU before 5.1 has zlib alone, and no option that says so.
    kind = ("-o", "compression_type=zstd") if compress == "zstd" else ()
    old = ("-o", f"compat={compat}") if compat != "1.1" else ()
    # -W: writes may come in any order, which lets the compressing threads run free.
    _convert(source, target, ("-O", "qcow2", *old, *(("-c", *kind) if compress else ()), "-m", "8", "-W"), moved)


def best_compression() -> Compression:
    """Return the best compression that this host's qemu-img writes and reads; it is asked once.

    Enterprise Linux 8, and 9 before 9.4, build QEMU without zstd; QEMU before 5.1 has none. Raises HostError where it
    makes no qcow2 at all.
    """
    return _best_of(process.which("qemu-img") or "qemu-img")


@cache
def _best_of(program: str) -> Compression:
    with temporary_folder() as folder:
        process.run(program, "create", "-q", "-f", "qcow2", folder / "plain", "65536")
        try:
            process.run(program, "create", "-q", "-f", "qcow2", "-o", "compression_type=zstd", folder / "zstd", "65536")
        except HostError:
            return "zlib"
    return "zstd"


def export(source: Path, target: Path, form: ForeignFormat, *, moved: Moved = _unheard) -> None:
    """Copy an image to a format that other hypervisors read; sparse or stream-optimised where the format can."""
    _convert(source, target, _FOREIGN[form], moved)


def adopt(source: Path, source_format: str, target: Path) -> None:
    """Copy a foreign image, its backing files merged in, to a qcow2 of our own; its format is told, never guessed."""
    _adopt("-f", source_format, source, target)


def adopt_named(name: str, target: Path) -> None:
    """Copy what QEMU opens by a `json:` name, in which every format is told, to a qcow2 of our own."""
    _adopt(name, target)


def require_readable(name: str) -> None:
    """Raise HostError, with what qemu-img says, if it cannot open what has this `json:` name."""
    # What `info` opens is not all: it leaves out backing files.
    process.run("qemu-img", "measure", "--force-share", "-O", "qcow2", name)


def check(path: Path) -> None:
    """Raise HostError if the image's own tables are damaged or leak clusters."""
    process.run("qemu-img", "check", "-q", "-f", "qcow2", path, timeout_s=3600)


def version() -> str:
    """Return the version of qemu-img, as its maker writes it: '10.0.2'."""
    words = process.run("qemu-img", "--version").split()
    return words[2] if len(words) > 2 else ""


def _overlay(path: Path, backing: str, backing_format: str, *size: str) -> None:
    process.run("qemu-img", "create", "-q", "-f", "qcow2", "-b", backing, "-F", backing_format, path, *size)
    path.chmod(0o600)


def _adopt(*source_and_target: process.Argument) -> None:
    process.run(
        "qemu-img", "convert", "-O", "qcow2", "-m", "8", "-W", *source_and_target, timeout_s=4 * 3600
    )  # fmt: skip


def _convert(source: Path, target: Path, options: tuple[str, ...], moved: Moved) -> None:
    _follow("convert", "-p", "-f", "qcow2", *options, source, target, moved=moved)


def _follow(*arguments: process.Argument, moved: Moved) -> None:
    def heard(piece: str) -> None:
        if told := _PERCENT.findall(piece):
            moved(float(told[-1]))

    process.follow("qemu-img", *arguments, heard=heard, timeout_s=4 * 3600)
