"""An installation medium of a few MiB: the stand-in's name, this host's kernel and a guest that only talks."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import tiny_guest
from imgpipe_demo import tree


def make(target: Path) -> None:
    """Write the ISO with xorriso."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / tree.KERNEL).parent.mkdir(parents=True)
        tiny_guest.make((folder / tree.KERNEL).parent)
        ((folder / tree.KERNEL).parent / "initrd").rename(folder / tree.INITRD)
        (folder / ".treeinfo").write_text(tree.treeinfo({}, int(time.time())))
        (folder / ".discinfo").write_text(tree.discinfo(int(time.time())))
        command: list[str | Path] = ["xorriso", "-as", "mkisofs", "-quiet", "-r", "-J", "-V", tree.VOLUME_ID]
        command += ["-o", target, folder]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
