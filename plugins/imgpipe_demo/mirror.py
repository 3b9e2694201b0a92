"""The Debian mirror this host uses, read from its own apt configuration when it is needed.

Formats: sources.list(5), both the one-line and the deb822 one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from imgpipe.errors import HostError

OVERRIDE = "IMGPIPE_DEBIAN_MIRROR"
_APT = Path("/etc/apt")
_RELEASES = frozenset(("bullseye", "bookworm", "trixie", "forky", "sid", "oldstable", "stable", "testing", "unstable"))
_POCKETS = frozenset(("", "updates", "backports", "backports-sloppy", "proposed-updates"))
_SCHEMES = ("http://", "https://", "file:")
_ONE_LINE = re.compile(r"deb\s+(?:\[[^\]]*\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s*(?P<components>[^#]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One archive that apt is told to use."""

    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]


def find_mirror(apt: Path = _APT, environment: Mapping[str, str] = os.environ) -> str:
    """Return the address of the Debian archive, from the environment or from apt's sources.

    Raises HostError where neither names one.
    """
    if given := environment.get(OVERRIDE, "").strip():
        return given
    for source in _sources(apt):
        if _is_debian(source):
            for uri in source.uris:
                if uri.startswith(_SCHEMES):
                    return uri
    raise HostError(
        "The address of a Debian mirror is not known: apt on this host names none.",
        hint=f"Set {OVERRIDE} to the address of a Debian archive (the folder that holds 'dists' and 'pool').",
    )


def parse_deb822(text: str) -> Iterator[Source]:
    """Yield the enabled binary sources of a `.sources` file."""
    for stanza in re.split(r"\n\s*\n", text):
        lines = [line for line in stanza.splitlines() if not line.startswith("#")]
        fields: dict[str, str] = {}
        key = ""
        for line in lines:
            if line[:1].isspace():
                fields[key] = f"{fields.get(key, '')} {line.strip()}"
            elif ":" in line:
                key, value = line.split(":", 1)
                key = key.strip().lower()
                fields[key] = value.strip()
        enabled = fields.get("enabled", "yes").lower() not in {"no", "false", "off", "0"}
        if enabled and "deb" in fields.get("types", "").split():
            yield Source(
                uris=tuple(fields.get("uris", "").split()),
                suites=tuple(fields.get("suites", "").split()),
                components=tuple(fields.get("components", "").split()),
            )


def parse_list(text: str) -> Iterator[Source]:
    """Yield the binary sources of a `sources.list` file."""
    for line in text.splitlines():
        if found := _ONE_LINE.match(line.strip()):
            yield Source(
                uris=(found["uri"],),
                suites=(found["suite"],),
                components=tuple(found["components"].split()),
            )


def _sources(apt: Path) -> Iterator[Source]:
    parts = apt / "sources.list.d"
    for path in (apt / "sources.list", *sorted(parts.glob("*.list"))):
        if path.is_file():
            yield from parse_list(path.read_text(errors="replace"))
    for path in sorted(parts.glob("*.sources")):
        yield from parse_deb822(path.read_text(errors="replace"))


def _is_debian(source: Source) -> bool:
    return "main" in source.components and any(_is_archive(suite) for suite in source.suites)


def _is_archive(suite: str) -> bool:
    # The security archive is a mirror of its own, with none of the packages wanted here.
    release, _, pocket = suite.partition("-")
    return release in _RELEASES and pocket in _POCKETS
