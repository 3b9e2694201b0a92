"""The CDs, by drive letter in the order of their drives, with names in any case as Windows takes them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from imgpipe_demo.installer.programs import CommandError, run

_LETTERS = "DEFGHIJKLMNOPQRSTUVW"
_PLACE = Path("/cd")


def mount_all() -> dict[str, Path]:
    """Mount every CD; return their roots by drive letter."""
    roots = {}
    drives = sorted(Path("/sys/class/block").glob("sr*"), key=lambda path: int(path.name[2:]))
    for letter, drive in zip(_LETTERS, drives, strict=False):
        root = _PLACE / letter
        root.mkdir(parents=True, exist_ok=True)
        if root.is_mount():
            roots[letter] = root
            continue
        try:
            # Joliet's names, as Windows reads them: Rock Ridge is unknown to it.
            run("mount", "-t", "iso9660", "-o", "ro,norock,iocharset=utf8", f"/dev/{drive.name}", root)
        except CommandError:
            continue  # an empty drive
        roots[letter] = root
    return roots


def find(root: Path, *names: str) -> Path | None:
    """Return the path below `root` whose names are these, in any case; None where there is none."""
    path = root
    for name in names:
        if not path.is_dir():
            return None
        found = next((child for child in path.iterdir() if child.name.lower() == name.lower()), None)
        if found is None:
            return None
        path = found
    return path


def find_on(roots: dict[str, Path], *names: str) -> Iterator[tuple[str, Path]]:
    """Yield letter and path of everything with these names, in the order of the letters."""
    for letter, root in roots.items():
        found = find(root, *names)
        if found is not None:
            yield letter, found
