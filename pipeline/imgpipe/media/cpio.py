"""Archives that the kernel unpacks over its initrd: newc cpio, written the same for the same files.

Format: cpio(5), and Documentation/driver-api/early-userspace/buffer-format.rst of the kernel, which also says
that archives may follow one another, padded with zeros to four bytes.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping

from imgpipe.errors import PluginError
from imgpipe.media import newc

_BLOCK = 512


def archive(files: Mapping[str, bytes]) -> bytes:
    """Return an archive of files at the root of the initrd, owned by root: 0600, `*.sh` 0700.

    Raises PluginError for a name that is not one of a file at the root.
    """
    entries = []
    for name, data in sorted(files.items()):
        if "/" in name or "\0" in name or name in {"", ".", "..", newc.TRAILER}:
            raise PluginError(f"The answer file's name '{name}' is not the name of a file at the initrd's root.")
        mode = stat.S_IFREG | (0o700 if name.endswith(".sh") else 0o600)
        entries.append(newc.Entry(name=name, mode=mode, data=data))
    return padded(newc.write(entries))


def padded(data: bytes) -> bytes:
    """Return the data with zeros after it, up to a whole block."""
    return data + bytes(padding(len(data)))


def padding(length: int) -> int:
    """Return how many bytes are missing to a whole block."""
    return -length % _BLOCK
