"""The drivers on the CDs: those Setup loads from `$WinPEDriver$`, and whether this Windows would load them."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from . import discs

FOLDER = "$WinPEDriver$"
_FOR_SYSTEM = re.compile(r"^; imgpipe stand-in driver for (\S+) (\S+)", re.MULTILINE)
_ARCH = "amd64"


def storage_driver(roots: dict[str, Path], systems: Collection[str]) -> Path | None:
    """Return the viostor.inf that Setup would load; None where there is none that suits."""
    for _letter, folder in discs.find_on(roots, FOLDER):
        for inf in sorted(folder.rglob("*")):
            if inf.name.lower() == "viostor.inf" and suits(inf, systems):
                return inf
    return None


def suits(inf: Path, systems: Collection[str]) -> bool:
    """Say whether a driver is complete and, if it is one of the stand-in medium's, made for one of `systems`."""
    beside = {path.name.lower() for path in inf.parent.iterdir()}
    if not {f"{inf.stem.lower()}.sys", f"{inf.stem.lower()}.cat"} <= beside:
        return False
    made_for = _FOR_SYSTEM.search(inf.read_text(errors="replace"))
    # A real driver does not say it in this way, and is taken as it is.
    return made_for is None or (made_for[1] in systems and made_for[2] == _ARCH)


def first_logon_drivers(folder: Path) -> list[Path]:
    """Return the folders of the drivers that are installed at the first logon, by their names."""
    root = discs.find(folder, "drivers")
    return sorted(path for path in root.iterdir() if path.is_dir()) if root else []
