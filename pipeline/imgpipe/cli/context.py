"""What commands work on: the data root, and who needs what is in it."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import imgpipe
from imgpipe.store import Store

if TYPE_CHECKING:
    from imgpipe.images.users import InUseBy

# Where libvirt keeps disks unless told otherwise, and where machines made by hand have theirs.
_LIBVIRT_IMAGES = Path("/var/lib/libvirt/images")


def store() -> Store:
    """Return the data root: IMGPIPE_HOME, else `output/` of a checkout, else the host's or the user's own."""
    return Store(_data_root())


def in_use_by(found: Store) -> InUseBy:
    """Return what tells who needs an image; it looks at the disks of all machines that can be there, once."""
    from imgpipe.images.users import overlays_in  # noqa: PLC0415 (slow, and seldom needed)

    return overlays_in((found.root / "machines", found.root / "work", _LIBVIRT_IMAGES))


def _data_root() -> Path:
    if home := os.environ.get("IMGPIPE_HOME"):
        return Path(home).expanduser().absolute()
    if checkout := _checkout():
        return checkout / "output"
    if os.geteuid() == 0:
        return Path("/var/lib/imgpipe")
    return Path.home() / ".local/share/imgpipe"


def _checkout() -> Path | None:
    """Return the folder of the checkout that this very package was imported from, if it was."""
    root = Path(imgpipe.__file__).resolve().parents[2]
    try:
        settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        return None
    return root if settings.get("project", {}).get("name") == "imgpipe" else None
