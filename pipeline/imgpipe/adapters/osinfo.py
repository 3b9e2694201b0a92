"""libosinfo's database, through osinfo-query(1)."""

from __future__ import annotations

from imgpipe.adapters import process


def known_systems() -> tuple[tuple[str, str], ...]:
    """Return the short id and the name of every system that libosinfo knows; raises HostError where it is missing."""
    table = process.run("osinfo-query", "--fields=short-id,name", "os")
    rows = [line.split("|") for line in table.splitlines()[2:] if "|" in line]
    return tuple(sorted((row[0].strip(), row[1].strip()) for row in rows))
