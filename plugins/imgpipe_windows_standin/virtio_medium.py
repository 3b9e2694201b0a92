"""Makes the stand-in virtio-win medium: the real one's layout, filled with dummies."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path

from imgpipe.adapters import process
from imgpipe_windows_standin import virtio_tree

HOST_PROGRAMS = ("xorriso",)

Notify = Callable[[str], None]


def make(target: Path, notify: Notify) -> None:
    """Make the ISO at `target`, which exists only when it is whole. Raises HostError if xorriso fails."""
    target.parent.mkdir(parents=True, exist_ok=True)
    notify("stand-in virtio-win: writing the ISO")
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as folder:
        tree, iso = Path(folder, "tree"), Path(folder, "finished.iso")
        for name, text in virtio_tree.files().items():
            path = tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, newline="")
        # Level 4 and no Joliet, as virtio-win.spec has it.
        process.run(
            "xorriso", "-as", "mkisofs", "-quiet", "-rational-rock", "-iso-level", "4",
            "-volid", virtio_tree.VOLUME_ID, "-output", iso, tree,
        )  # fmt: skip
        iso.replace(target)


def fingerprint() -> str:
    """Return the sha256 of what the medium is made from."""
    sources = (Path(__file__), Path(virtio_tree.__file__))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
