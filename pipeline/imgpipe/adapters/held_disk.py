"""Foreign disks as QEMU sees them: the open files that were checked, each with the header that was checked.

Whoever owns a disk can change its header after the check and leave no trace: through memory that he mapped before, or
within one tick of the clock that stamps files. So QEMU never reads the header in his file. It gets a small qcow2 of
ours that holds the first 64 KiB as they were checked, and that has the rest below it, from his file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from imgpipe.adapters import qemu_img
from imgpipe.adapters.temporary import temporary_folder
from imgpipe.disk_source import HeldDisk, Layer
from imgpipe.errors import HostError, RecipeError


def adopt(disk: HeldDisk, target: Path) -> None:
    """Copy a foreign disk, its backing files merged in, to a qcow2 of our own.

    Raises RecipeError for a disk that QEMU cannot read, HostError where it cannot be copied.
    """
    with _named(disk) as name:
        qemu_img.adopt_named(name, target)


@contextmanager
def overlay_of(disk: HeldDisk, path: Path) -> Iterator[None]:
    """Make an overlay of a foreign disk at `path`, which is good for the block. Raises what `adopt` does."""
    with _named(disk) as name:
        qemu_img.create_overlay_of_named(path, name, disk.layers[0].format)
        yield


@contextmanager
def _named(disk: HeldDisk) -> Iterator[str]:
    """Yield the name by which QEMU opens a disk for the block, in which every layer's format is told."""
    with temporary_folder() as folder:
        node: dict[str, Any] | None = None
        for number, (layer, file) in reversed(list(enumerate(zip(disk.layers, disk.files, strict=True)))):
            if layer.format == "raw":
                node = {"driver": "raw", "file": _file(file)}
            else:
                start = _with_checked_start(layer, file, folder / str(number))
                node = {"driver": "qcow2", "file": {"driver": "qcow2", "file": _file(start)}, "backing": node}
        # An overlay's header has room for 1023 bytes of it.
        name = f"json:{json.dumps(node, separators=(',', ':'))}"
        _require_readable(name, disk)
        yield name


def _file(path: Path) -> dict[str, str]:
    return {"driver": "file", "filename": str(path)}


def _with_checked_start(layer: Layer, file: Path, made: Path) -> Path:
    """Make an image whose content is a qcow2 file: its start as it was checked, and the rest read from `file`."""
    head = made.with_name(f"{made.name}.head")
    # What is below is named beside. A name in the header would count as well, and QEMU refuses to have both.
    head.write_bytes(layer.head[:8] + bytes(12) + layer.head[20:])
    qemu_img.create_with_start(made, head, file, size=layer.size)
    return made


def _require_readable(name: str, disk: HeldDisk) -> None:
    try:
        qemu_img.require_readable(name)
    except HostError as error:
        # The command's own line says nothing to whoever named the disk.
        said = [line.replace(f"Could not open '{name}': ", "") for line in error.details[1:]]
        raise RecipeError(
            f"QEMU cannot read the disk '{disk.layers[0].path}'.",
            hint="It is damaged, or no disk: 'qemu-img check' may say more. Take another copy of it.",
            details=said,
        ) from error
