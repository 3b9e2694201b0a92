"""What killed builds left behind; the next build goes on without it, and it takes room."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from imgpipe.host.doctor.finding import Finding
from imgpipe.images.retire import leftovers
from imgpipe.sizes import show_bytes
from imgpipe.store import Store


def gather(store: Store) -> tuple[Path, ...]:
    """Find unfinished folders and files that nobody works on; nothing is touched."""
    return leftovers(store)


def judge(found: Sequence[Path], room: int) -> Finding:
    """Say what lies there; `room` is what it takes, in bytes."""
    if not found:
        return Finding(name="leftovers", state="ok", meaning="Killed builds left nothing behind.")
    count = len(found)
    return Finding(
        name="leftovers",
        state="warn",
        meaning=f"Killed builds left {count} thing{'s' * (count > 1)} behind, {show_bytes(room)}: "
        f"{', '.join(repr(str(path)) for path in found[:3])}{' ...' * (count > 3)}.",
        commands=("imgpipe doctor --fix",),
        repairs=(("imgpipe", "images", "prune", "--leftovers", "--yes"),),
    )
