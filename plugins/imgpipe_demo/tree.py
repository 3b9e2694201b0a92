"""What the stand-in medium says about itself: `.treeinfo` and `.discinfo`, laid out as on a Rocky ISO.

Format: productmd's treeinfo 1.2; `.discinfo` is read by Anaconda's payloads/source/utils.py.
"""

from __future__ import annotations

from collections.abc import Mapping

NAME = "imgpipe stand-in"
SHORT = "imgpipe-standin"
VERSION = "1"
ARCH = "x86_64"
VOLUME_ID = f"{SHORT}-{VERSION}-{ARCH}"

KERNEL = "images/pxeboot/vmlinuz"
INITRD = "images/pxeboot/initrd.img"
STAGE2 = "images/install.img"
ROOTFS = "images/rootfs.img"
PAYLOAD = "images/rootfs.tar.zst"
PACKAGES = "packages.txt"


def treeinfo(checksums: Mapping[str, str], made_at: int) -> str:
    """Return `.treeinfo`; `checksums` are sha256 by path on the medium, `made_at` is seconds since 1970."""
    sections = {
        "checksums": {path: f"sha256:{digest}" for path, digest in sorted(checksums.items())},
        "general": {
            "arch": ARCH,
            "family": NAME,
            "name": f"{NAME} {VERSION}",
            "platforms": ARCH,
            "timestamp": str(made_at),
            "variant": "",
            "version": VERSION,
        },
        "header": {"type": "productmd.treeinfo", "version": "1.2"},
        f"images-{ARCH}": {"initrd": INITRD, "kernel": KERNEL},
        "release": {"name": NAME, "short": SHORT, "version": VERSION},
        "stage2": {"mainimage": STAGE2},
        "tree": {"arch": ARCH, "build_timestamp": str(made_at), "platforms": ARCH, "variants": ""},
    }
    blocks = (
        "\n".join((f"[{section}]", *(f"{key} = {value}".rstrip() for key, value in values.items())))
        for section, values in sections.items()
    )
    return "\n\n".join(blocks) + "\n"


def discinfo(made_at: int) -> str:
    """Return `.discinfo`: time, name, and the architecture, which marks an installation medium."""
    return f"{made_at}.000000\n{NAME} {VERSION}\n{ARCH}\n"
