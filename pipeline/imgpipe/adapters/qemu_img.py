"""Disk images: qemu-img(1) in a few verbs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from imgpipe.adapters import process


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


def create_overlay(path: Path, backing: Path) -> None:
    """Create an image that keeps its changes apart from `backing`."""
    process.run(
        "qemu-img", "create", "-q", "-f", "qcow2",
        "-b", backing.resolve(), "-F", info(backing).format,
        path,
    )  # fmt: skip
    path.chmod(0o600)


def info(path: Path) -> ImageInfo:
    """Read an image's format and sizes, also while a machine uses it."""
    told = json.loads(process.run("qemu-img", "info", "--force-share", "--output=json", path))
    backing = told.get("full-backing-filename") or told.get("backing-filename")
    return ImageInfo(
        format=told["format"],
        virtual_size=told["virtual-size"],
        disk_size=told["actual-size"],
        backing=Path(backing) if backing else None,
    )


def convert(source: Path, target: Path, *, compress: bool = False) -> None:
    """Copy an image, its backing files merged in, to a qcow2 of its own; sparse, zstd-compressed on request."""
    options = ("-c", "-o", "compression_type=zstd") if compress else ()
    process.run(
        "qemu-img", "convert", "-O", "qcow2", *options, "-m", "8", "-W",
        source, target,
        timeout_s=4 * 3600,
    )  # fmt: skip


def adopt(source: Path, source_format: str, target: Path) -> None:
    """Copy a foreign image, its backing files merged in, to a qcow2 of our own; its format is told, never guessed."""
    process.run(
        "qemu-img", "convert", "-f", source_format, "-O", "qcow2", "-m", "8", "-W",
        source, target,
        timeout_s=4 * 3600,
    )  # fmt: skip


def check(path: Path) -> None:
    """Raise HostError if the image's own tables are damaged or leak clusters."""
    process.run("qemu-img", "check", "-q", path, timeout_s=3600)
