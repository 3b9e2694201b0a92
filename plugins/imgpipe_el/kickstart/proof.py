"""The sections at the kickstart's end that show how the installation ended."""

from __future__ import annotations

import hashlib

from imgpipe.os_family import Proof

MARKER = "IMGPIPE-INSTALL"
PROOF_FILE = "/var/lib/imgpipe/installed"


def proof_word(text: str) -> str:
    """Name the answer file `text`, so that one installation's proof is not taken for another's."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def proof_of(word: str) -> Proof:
    """Return what the proof sections leave behind for `word`."""
    return Proof(
        console=f"{MARKER}-OK {word}", failure=f"{MARKER}-FAIL", file=PROOF_FILE, content=f"{MARKER}-OK {word}\n"
    )
