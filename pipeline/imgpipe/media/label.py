"""Volume labels as udev names them below /dev/disk/by-label."""

from __future__ import annotations

import re

# The characters that need no escape: blkid_encode_string() of util-linux, libblkid/src/encode.c.
_SAFE = re.compile(r"[0-9A-Za-z#+.:=@_-]")


def escape(label: str) -> str:
    r"""Return a label as udev writes it: `Rocky Linux` becomes `Rocky\x20Linux`; letters beyond ASCII stay."""
    return "".join(
        character if _SAFE.match(character) or not character.isascii() else f"\\x{ord(character):02x}"
        for character in label
    )
