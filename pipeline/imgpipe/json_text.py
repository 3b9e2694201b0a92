"""JSON that others wrote: whatever is wrong with it is a ValueError, nesting without an end too."""

from __future__ import annotations

import json
from typing import Any


def parse_json(text: str | bytes) -> Any:  # noqa: ANN401 (JSON is of any kind)
    """Return what a JSON text says; raises ValueError where it cannot be read."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("It is nested too deeply") from None
