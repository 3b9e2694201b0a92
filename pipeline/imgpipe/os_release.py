"""The fields of os-release(5), of this host's or of a guest's, whose text may be anybody's."""

from __future__ import annotations

import re
import shlex

from imgpipe.artifacts import OsRelease
from imgpipe.disclosure import printable

_LINE = re.compile(r"\s*([A-Z][A-Z0-9_]*)=(.*)")
_LONGEST = 200


def fields_of(text: str) -> dict[str, str]:
    """Return every field of an os-release, each on one line and shortened; lines that are none are passed over."""
    fields: dict[str, str] = {}
    for line in text.splitlines():
        if found := _LINE.fullmatch(line):
            try:
                value = " ".join(shlex.split(found[2]))
            except ValueError:
                # A quote that is not closed: what is meant cannot be known.
                continue
            fields[found[1]] = printable(value, _LONGEST)
    return fields


def os_release(text: str) -> OsRelease:
    """Return what an os-release says of its system."""
    fields = fields_of(text)
    return OsRelease(
        id=fields.get("ID", ""),
        version=fields.get("VERSION_ID", ""),
        name=fields.get("NAME", ""),
        title=fields.get("PRETTY_NAME", ""),
        cpe=fields.get("CPE_NAME", ""),
        home=fields.get("HOME_URL", ""),
    )
