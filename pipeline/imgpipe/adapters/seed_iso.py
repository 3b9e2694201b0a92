"""Small ISOs that carry answer files, written with pycdlib; the same files give the same bytes."""

from __future__ import annotations

import io
import mmap
import os
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import pycdlib

from imgpipe.adapters.iso_dates import set_dates
from imgpipe.errors import PluginError


def write_seed(target: Path, volume_id: str, files: Mapping[str, bytes | Path]) -> None:
    """Write the small ISO of `seed_bytes` to a file that only its owner may read; a Path stands for its content."""
    target.unlink(missing_ok=True)
    with os.fdopen(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as file:
        _write(file, volume_id, files)
        file.flush()
        with mmap.mmap(file.fileno(), 0) as image:
            set_dates(image)


def seed_bytes(volume_id: str, files: Mapping[str, bytes]) -> bytes:
    """Return a small ISO with Joliet level 3 and Rock Ridge 1.09; the same files give the same bytes.

    The tree is that of `genisoimage -volid ... -joliet -rock`. Files are readable by root alone, `*.sh` executable.
    Raises PluginError for names that Joliet cannot hold (64 characters; 16 for the volume id).
    """
    image = io.BytesIO()
    _write(image, volume_id, files)
    content = bytearray(image.getvalue())
    set_dates(content)
    return bytes(content)


def _write(target: BinaryIO, volume_id: str, files: Mapping[str, bytes] | Mapping[str, bytes | Path]) -> None:
    _check_names(volume_id, files)
    writer = pycdlib.PyCdlib()
    writer.new(interchange_level=3, vol_ident=volume_id, joliet=3, rock_ridge="1.09", app_ident_str="IMGPIPE")
    with ExitStack() as opened:
        opened.callback(writer.close)
        places = _add_folders(writer, files)
        for path, data in sorted(files.items()):
            place = PurePosixPath(path)
            iso_name = _iso_name(place.name, places[place.parent].taken)
            source: BinaryIO = io.BytesIO(data) if isinstance(data, bytes) else opened.enter_context(data.open("rb"))
            writer.add_fp(
                source,
                len(data) if isinstance(data, bytes) else data.stat().st_size,
                iso_path=f"{places[place.parent].iso_path}/{iso_name};1",
                rr_name=place.name,
                joliet_path=f"/{place}",
                file_mode=0o100500 if place.suffix == ".sh" else 0o100400,
            )
        writer.write_fp(target)


def _check_names(volume_id: str, files: Iterable[str]) -> None:
    if too_long := [name for name in (part for path in files for part in PurePosixPath(path).parts) if len(name) > 64]:
        raise PluginError(f"The answer file's name '{too_long[0]}' is longer than the 64 characters that fit.")
    if len(volume_id) > 16:
        raise PluginError(f"The seed's volume id '{volume_id}' is longer than the 16 characters that fit.")


@dataclass(slots=True)
class _Folder:
    iso_path: str
    taken: set[str]


def _add_folders(writer: pycdlib.PyCdlib, files: Iterable[str]) -> dict[PurePosixPath, _Folder]:
    places = {PurePosixPath("."): _Folder("", set())}
    for folder in sorted({parent for path in files for parent in PurePosixPath(path).parents} - places.keys()):
        above = places[folder.parent]
        iso_path = f"{above.iso_path}/{_iso_name(folder.name, above.taken, extension=False)}"
        writer.add_directory(iso_path, rr_name=folder.name, joliet_path=f"/{folder}", file_mode=0o040500)
        places[folder] = _Folder(iso_path, set())
    return places


def _iso_name(name: str, taken: set[str], *, extension: bool = True) -> str:
    """Return a name of ECMA-119's characters, 8 and 3 at most, that is not taken; nobody who has better sees it."""
    stem, _, ending = name.lstrip(".").upper().rpartition(".") if extension else (name.upper(), "", "")
    if not stem:
        stem, ending = ending, ""
    stem, ending = ("".join(c if c.isascii() and c.isalnum() else "_" for c in part) for part in (stem, ending))
    dot = "." if extension else ""
    result, count = f"{stem[:8] or '_'}{dot}{ending[:3]}", 0
    while result in taken:
        count += 1
        result = f"{stem[: 8 - len(str(count))]}{count}{dot}{ending[:3]}"
    taken.add(result)
    return result
