"""The order in which people count: 'web-9' before 'web-10'."""

from __future__ import annotations

import re

_NUMBERS = re.compile(r"([0-9]+)")


def natural(text: str) -> tuple[tuple[str, int], ...]:
    """Return what to sort a name by: its numbers count as numbers, all else as it is."""
    parts = _NUMBERS.split(text)
    # Texts and numbers alternate, so that like is compared with like; equal numbers differ by their zeros at last.
    return (
        *((word, int(number[:18] or 0)) for word, number in zip(parts[::2], [*parts[1::2], ""], strict=True)),
        (text, 0),
    )
