"""Archives that the kernel unpacks over its initrd: newc cpio, written the same for the same files.

Format: cpio(5), and Documentation/driver-api/early-userspace/buffer-format.rst of the kernel, which also says
that archives may follow one another, padded with zeros to four bytes.
"""

from __future__ import annotations

from collections.abc import Mapping

from imgpipe.errors import PluginError

_MAGIC = b"070701"
_TRAILER = "TRAILER!!!"
_BLOCK = 512
_REGULAR = 0o100000


def archive(files: Mapping[str, bytes]) -> bytes:
    """Return an archive of files at the root of the initrd, owned by root: 0600, `*.sh` 0700.

    Raises PluginError for a name that is not one of a file at the root.
    """
    parts = []
    for number, (name, data) in enumerate(sorted(files.items()), 1):
        if "/" in name or "\0" in name or name in {"", ".", "..", _TRAILER}:
            raise PluginError(f"The answer file's name '{name}' is not the name of a file at the initrd's root.")
        mode = _REGULAR | (0o700 if name.endswith(".sh") else 0o600)
        parts.append(_member(name, data, inode=number, mode=mode))
    parts.append(_member(_TRAILER, b"", inode=0, mode=0))
    return padded(b"".join(parts))


def padded(data: bytes, size: int = _BLOCK) -> bytes:
    """Return the data with zeros after it, up to a multiple of `size` bytes."""
    return data + bytes(padding(len(data), size))


def padding(length: int, size: int = _BLOCK) -> int:
    """Return how many bytes are missing to a multiple of `size`."""
    return -length % size


def _member(name: str, data: bytes, *, inode: int, mode: int) -> bytes:
    encoded = name.encode() + b"\0"
    links = 1
    # inode, mode, uid, gid, links, mtime, size, device (2), special device (2), length of the name, checksum
    fields = (inode, mode, 0, 0, links, 0, len(data), 0, 0, 0, 0, len(encoded), 0)
    header = _MAGIC + b"".join(b"%08X" % field for field in fields)
    return padded(header + encoded, 4) + padded(data, 4)
