"""The pages of the manual: in a checkout's `docs`, and in the package where it is installed."""

from __future__ import annotations

from pathlib import Path

import imgpipe


def page(name: str) -> str:
    """Return where a page is, as messages name it: 'docs/fleets.md' in a checkout, else the file's whole path."""
    installed = Path(imgpipe.__file__).parent / "docs" / name
    return str(installed) if installed.is_file() else f"docs/{name}"
