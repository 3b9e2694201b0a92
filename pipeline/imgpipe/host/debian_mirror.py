"""Where the host itself gets Debian packages from: read when needed, kept nowhere."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from imgpipe.errors import HostError
from imgpipe.host import deb822
from imgpipe.urls import without_login

VARIABLE = "IMGPIPE_DEBIAN_MIRROR"

_HINT = (
    f"Set {VARIABLE} to the address of a Debian mirror (the folder that holds 'dists' and 'pool'), "
    "or give the recipe a Debian ISO."
)
# What apt says while a mirror takes over a release in pieces: an index is not the one that was signed.
_TORN = ("Mirror sync in progress", "Hash Sum mismatch")
TORN = "The Debian mirror is being updated, or is not whole: what it has is not what its signed lists name."
_ADDRESS = re.compile(r"(https?)://([A-Za-z0-9.-]+(?::[0-9]+)?)(/[A-Za-z0-9._~/+-]*)?")
# A derivative's mirror speaks the same language, so a mirror is known by the suites it is used for.
_SUITES = re.compile(
    r"(?:oldoldstable|oldstable|stable|testing|unstable|sid|bullseye|bookworm|trixie|forky|duke)"
    r"(?:-updates|-backports|-proposed-updates)?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """A Debian mirror, in the pieces debian-installer asks for."""

    protocol: str
    host: str
    directory: str

    @property
    def url(self) -> str:
        """The address as apt takes it."""
        return f"{self.protocol}://{self.host}{self.directory}"


class TornMirrorError(HostError):
    """What a mirror has at this moment does not match what Debian signed."""


@contextmanager
def told_if_torn(*signs: str) -> Iterator[None]:
    """Raise TornMirrorError instead of apt's own words, where they mean that the mirror is being updated.

    `signs` are further words of apt that mean it in this case.
    """
    try:
        yield
    except HostError as error:
        if any(sign in line for line in error.details for sign in (*_TORN, *signs)):
            hint = f"Try again later, or name another mirror in {VARIABLE}."
            raise TornMirrorError(TORN, hint=hint, details=error.details) from error
        raise


def parse(url: str) -> Mirror:
    """Take an address apart; raises HostError for what the installer could not use."""
    found = _ADDRESS.fullmatch(url)
    if not found:
        raise HostError(f"'{without_login(url)}' is not the address of a Debian mirror.", hint=_HINT)
    return Mirror(protocol=found[1], host=found[2], directory=(found[3] or "").rstrip("/") or "/")


def of_host(etc: Path = Path("/etc/apt"), environment: Mapping[str, str] | None = None) -> Mirror:
    """Return the mirror in the environment, else the first Debian mirror of the host's apt configuration."""
    chosen = (os.environ if environment is None else environment).get(VARIABLE, "")
    if chosen:
        return parse(chosen)
    for url in _configured(etc):
        return parse(url)
    raise HostError("This host's apt configuration names no Debian mirror.", hint=_HINT)


def urls(text: str, *, deb822: bool) -> Iterator[str]:
    """Yield the addresses of Debian mirrors in the text of one sources file."""
    for options, uris, suites in _deb822(text) if deb822 else _one_line(text):
        if options.get("enabled", "yes").lower() in {"no", "false", "off", "0", "without", "disable"}:
            continue
        if any(_SUITES.fullmatch(suite) for suite in suites):
            yield from (uri for uri in uris if uri.startswith(("http://", "https://")))


def _configured(etc: Path) -> Iterator[str]:
    for path in (etc / "sources.list", *sorted((etc / "sources.list.d").glob("*"))):
        if path.is_file() and path.suffix in {".list", ".sources"}:
            yield from urls(path.read_text(errors="replace"), deb822=path.suffix == ".sources")


_Source = tuple[Mapping[str, str], list[str], list[str]]


def _deb822(text: str) -> Iterator[_Source]:
    for fields in deb822.stanzas(text):
        if "deb" in fields.get("types", "").split():
            yield fields, fields.get("uris", "").split(), fields.get("suites", "").split()


def _one_line(text: str) -> Iterator[_Source]:
    for line in text.splitlines():
        words = re.sub(r"\[[^]]*\]", "", line.partition("#")[0]).split()
        if len(words) >= 3 and words[0] == "deb":
            yield {}, [words[1]], [words[2]]
