"""Benchmarks: ratios against a peer in the same run, since machines differ and are noisy."""

import os
import sys
from pathlib import Path

# What tests share is found beside them, as pytest finds it (pyproject.toml).
sys.path.insert(0, str(Path(__file__).parents[1]))
BIN = Path(sys.executable).parent / "imgpipe"


def guestfs_environment(accelerator: str) -> dict[str, str]:
    """Return an environment in which libguestfs needs no libvirt, and KVM only where it works."""
    emulated = {"LIBGUESTFS_BACKEND_SETTINGS": "force_tcg"} if accelerator == "tcg" else {}
    return {**os.environ, "LIBGUESTFS_BACKEND": "direct", **emulated}
