"""A document as SMBIOS OEM strings (type 11, SMBIOS 3.0 section 7.12): gzip, base64, cut into pieces.

Each string is `imgpipe:1:INDEX:TOTAL:CHECK:PIECE`; INDEX counts from 1, CHECK is the start of the SHA-256 of all
pieces together. Whoever can list the host's processes or read a definition can read them.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
from collections.abc import Sequence

PREFIX = "imgpipe:1"
MOST_BYTES = 24 * 1024
"""Of all strings together: the table of an SMBIOS 2 entry point ends at 64 KiB, and other strings are in it too."""
_PIECE = 1000


def oem_strings(lines: Sequence[str]) -> tuple[str, ...]:
    """Return the strings that carry `lines`."""
    packed = gzip.compress("".join(f"{line}\n" for line in lines).encode(), mtime=0)
    text = base64.b64encode(packed).decode()
    check = hashlib.sha256(text.encode()).hexdigest()[:16]
    pieces = [text[start : start + _PIECE] for start in range(0, len(text), _PIECE)]
    return tuple(f"{PREFIX}:{index}:{len(pieces)}:{check}:{piece}" for index, piece in enumerate(pieces, start=1))


def fits(strings: Sequence[str]) -> bool:
    """Tell whether the strings may stand in a definition."""
    return sum(len(string) + 1 for string in strings) <= MOST_BYTES
