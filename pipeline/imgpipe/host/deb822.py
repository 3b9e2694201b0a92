"""Debian's control files, deb822(5): package indexes, dpkg's status and apt's sources."""

from __future__ import annotations

import re
from collections.abc import Iterator


def stanzas(text: str) -> Iterator[dict[str, str]]:
    """Yield the paragraphs of a control file: names of fields in lower case, folded lines as lines."""
    for paragraph in re.split(r"\n(?:[ \t]*\n)+", text.strip("\n")):
        fields: dict[str, str] = {}
        name = ""
        for line in paragraph.splitlines():
            if line.startswith("#"):
                continue
            if line[:1] in {" ", "\t"} and name:
                fields[name] += "\n" + line.strip()
            elif ":" in line:
                name, _, value = line.partition(":")
                name = name.strip().lower()
                fields[name] = value.strip()
        if fields:
            yield fields
