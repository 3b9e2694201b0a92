"""CHECKSUM files as publishers write them; pure.

GNU form: `<digest>  name` or `<digest> *name` (sha256sum(1)), by hand with one blank or a tab; BSD form:
`SHA256 (name) = <digest>` (cksum(1)), with openssl-dgst(1) `SHA2-256(name)= <digest>`. Both may be mixed with comments
and wrapped in a clearsigned message (RFC 9580, section 7). A file that has one digest and no name is its one file's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from imgpipe.errors import RecipeError

Algorithm = Literal["sha256", "sha512"]

_BY_LENGTH: dict[int, Algorithm] = {64: "sha256", 128: "sha512"}
_GNU = re.compile(r"(?P<escaped>\\?)(?P<digest>[0-9a-fA-F]{32,128})(?: [ *]|[ \t]+)(?P<name>.+)")
_BARE = re.compile(r"[0-9a-fA-F]{64}|[0-9a-fA-F]{128}")
_BSD = re.compile(r"(?P<algorithm>[A-Za-z0-9/-]+) ?\((?P<name>.+)\) ?= ?(?P<digest>[0-9a-fA-F]{32,128})")
_BEGIN = "-----BEGIN PGP SIGNED MESSAGE-----"
_END = "-----BEGIN PGP SIGNATURE-----"
_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Checksum:
    """The digest that a file of this name must have, in lower case; `name` is empty where none stands beside it."""

    name: str
    algorithm: Algorithm
    digest: str


def parse(text: str) -> tuple[Checksum, ...]:
    """Return the SHA-256 and SHA-512 digests of a CHECKSUM file, in its order; weaker ones are left out."""
    lines = signed_text(text.removeprefix("\ufeff")).splitlines()
    return tuple(entry for line in lines if (entry := _parse_line(line.strip())))


def pick(text: str, name: str, origin: str) -> Checksum:
    """Return the digest for the file `name`; `origin` says in errors which CHECKSUM file this is.

    SHA-256 is preferred, as media are known by it. Raises RecipeError if the file says nothing, or two things.
    """
    entries = parse(text)
    # Some publishers write './name' or a folder; a name that fits as it is goes first.
    fitting = [e for e in entries if e.name == name] or [e for e in entries if e.name.rpartition("/")[2] == name]
    if not any(entry.name for entry in entries):
        fitting = list(entries)
    for algorithm in ("sha256", "sha512"):
        of_kind = {entry.digest: entry for entry in fitting if entry.algorithm == algorithm}
        if len(of_kind) > 1:
            raise RecipeError(
                f"The checksum file '{origin}' has {len(of_kind)} different digests for '{name}'.",
                hint="Write the right one in the recipe, as medium.sha256.",
                details=sorted(of_kind),
            )
        if of_kind:
            return next(iter(of_kind.values()))
    names = sorted({entry.name for entry in entries if entry.name})
    raise RecipeError(
        f"The checksum file '{origin}' has no SHA-256 or SHA-512 digest for '{name}'.",
        hint="Use the checksum file of this very release, or write the digest in the recipe, as medium.sha256.",
        details=[*(f"it has: {known}" for known in names[:_SHOWN]), *_more(len(names))] or ["it has none at all"],
    )


def signed_text(text: str) -> str:
    """Return what a clearsigned message signs, its dashes unescaped; other text as it is."""
    lines = text.splitlines()
    if _BEGIN not in lines:
        return text
    body = lines[lines.index(_BEGIN) + 1 :]
    body = body[: body.index(_END)] if _END in body else body
    headers = body.index("") + 1 if "" in body else 0
    return "\n".join(line.removeprefix("- ") for line in body[headers:])


def _parse_line(line: str) -> Checksum | None:
    if match := _BSD.fullmatch(line):
        wanted = match["algorithm"].upper().replace("SHA2-", "SHA").replace("-", "")
        algorithm = _BY_LENGTH.get(len(match["digest"]))
        if algorithm is None or algorithm.upper() != wanted:
            return None
        return Checksum(name=match["name"], algorithm=algorithm, digest=match["digest"].lower())
    if _BARE.fullmatch(line):
        return Checksum(name="", algorithm=_BY_LENGTH[len(line)], digest=line.lower())
    match = _GNU.fullmatch(line)
    algorithm = _BY_LENGTH.get(len(match["digest"])) if match else None
    if match is None or algorithm is None:
        return None
    name = _unescaped(match["name"]) if match["escaped"] else match["name"]
    return Checksum(name=name, algorithm=algorithm, digest=match["digest"].lower())


def _unescaped(name: str) -> str:
    return re.sub(r"\\([\\nr])", lambda match: {"\\": "\\", "n": "\n", "r": "\r"}[match[1]], name)


def _more(count: int) -> list[str]:
    return [f"and {count - _SHOWN} more"] if count > _SHOWN else []
