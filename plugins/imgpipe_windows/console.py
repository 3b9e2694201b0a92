"""How Windows speaks on its first serial port: by our own scripts alone, and from the pass specialize on.

Before that there is nothing to read: what counts until then is that disk and CPU work.
"""

from __future__ import annotations

from imgpipe.os_family import Console, Phase, Proof, Trouble
from imgpipe_windows.scripts import SEALED

LAST_WORD = "imgpipe: sysprep"

CONSOLE = Console(
    phases=(
        Phase(pattern=r"^imgpipe: specialize\b", label="Windows gets its settings", percent=55),
        Phase(pattern=r"^imgpipe: first-logon\b", label="the first logon", percent=75),
        Phase(pattern=r"^imgpipe: driver ", label="installing drivers", percent=80),
        Phase(pattern=r"^imgpipe: agent\b", label="installing the guest agent", percent=88),
        Phase(pattern=r"^imgpipe: sysprep\b", label="Windows generalizes itself", percent=92),
    ),
    troubles=(
        Trouble(
            pattern=r"^imgpipe: failed (?P<what>[\w. -]{1,60}?) (?P<code>-?\d{1,12})$",
            reason="Inside Windows, '{what}' failed with the exit code {code}.",
        ),
    ),
)


def proof() -> Proof:
    """Return what a finished install shows: its last word, before it generalizes itself and switches off.

    That it did is read from the disk: the word alone proves only that sysprep was reached.
    """
    return Proof(console=LAST_WORD, failure="", file=SEALED.partition(":")[2].replace("\\", "/"), content="")
