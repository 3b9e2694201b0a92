"""Reading the package databases of a mounted guest: each in a process of its own, for a hostile disk holds them.

What a view of SQLite computes never need end, a chain of pages may be as long as the disk, and a parser may have a
fault. So the process that reads has limits of time, memory and output, which the kernel keeps (setrlimit(2)); what
exceeds them is not believed, and the build goes on without.
"""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import struct
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from imgpipe.guest_worker.package_databases import FORMATS, Package, UnreadableError
from imgpipe.guest_worker.text import printable

DATABASES = (
    ("deb", "/var/lib/dpkg/status"),
    ("apk", "/lib/apk/db/installed"),
    ("apk", "/usr/lib/apk/db/installed"),
    *(
        ("rpm", f"{folder}/{name}")
        for folder in ("/usr/lib/sysimage/rpm", "/var/lib/rpm")
        for name in ("rpmdb.sqlite", "Packages")
    ),
)

# A full desktop's database is a tenth of it.
MOST_BYTES = 2**29
MOST_PACKAGES = 50_000
MOST_TEXT = 2000
# Seconds: of the processor for one database, and altogether. A full desktop's is read in less than one.
_CPU_S = 60
_ALL_S = 400
# Beside the interpreter and a file of the largest size.
_MEMORY = MOST_BYTES + 2**29
_OUTPUT = 2**25
_UNREADABLE, _NOT_BELIEVED = 3, 4

_READER = (
    "import sys; sys.path.append(sys.argv[1]); from imgpipe.guest_worker.package_reading import main; "
    "main(sys.argv[2], sys.argv[3])"
)
_PACKAGES = Path(__file__).parents[2]


class Found(NamedTuple):
    """What a database holds; `kind` is 'rpm', 'deb' or 'apk', and empty where there is one that is not believed."""

    kind: str
    packages: list[Package]


class NotBelievedError(Exception):
    """A database that exceeds the limits of one."""


def read_databases(g: Any) -> Found | None:  # noqa: ANN401 (libguestfs has no types)
    """Return the packages of the fullest database of a mounted guest; None where there is none that can be read.

    A Debian may have an empty database of rpm beside its own, and the other way round.
    """
    found, end = [], time.monotonic() + _ALL_S
    for kind, path in DATABASES:
        try:
            found.append(Found(kind, _read(g, kind, path, end)))
        except NotBelievedError:
            found.append(Found("", []))
        except UnreadableError:
            continue
    return max(found, key=lambda one: len(one.packages), default=None)


def _read(g: Any, kind: str, path: str, end: float) -> list[Package]:  # noqa: ANN401
    """Return the packages of one database; raises UnreadableError where there is none."""
    # The folder of what belongs to the worker: it goes with it, also when it is killed.
    with TemporaryDirectory(prefix="packages-", dir=os.environ.get("LIBGUESTFS_TMPDIR")) as folder:
        copy = _copied(g, path, Path(folder))
        with (Path(folder) / "told").open("w+b") as told:
            code = _run(kind, copy, told, end)
            told.seek(0)
            if code == 0:
                return [Package(*texts) for texts in json.load(told)]
    raise UnreadableError if code == _UNREADABLE else NotBelievedError


def _copied(g: Any, path: str, folder: Path) -> Path:  # noqa: ANN401
    """Copy a file out of the guest, and what SQLite has not merged into it yet."""
    copy = folder / path.rpartition("/")[2]
    if not g.is_file(path, followsymlinks=True):
        raise UnreadableError
    for name, target in ((path, copy), (f"{path}-wal", copy.with_name(f"{copy.name}-wal"))):
        if g.is_file(name, followsymlinks=True):
            if int(g.filesize(name)) > MOST_BYTES:
                raise NotBelievedError
            try:
                g.download(name, str(target))
            except RuntimeError:
                # Sectors that cannot be read, or no room for the copy.
                raise UnreadableError from None
    return copy


def _run(kind: str, copy: Path, told: Any, end: float) -> int:  # noqa: ANN401
    argv = [sys.executable, "-I", "-B", "-c", _READER, str(_PACKAGES), kind, str(copy)]
    try:
        # Its standard input would be the worker's, on which requests come.
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=told, timeout=max(1.0, end - time.monotonic()), check=False
        )
    except subprocess.TimeoutExpired:
        return _NOT_BELIEVED
    return done.returncode


def main(kind: str, path: str) -> None:
    """Write the packages of one database to standard output as JSON: a list of each one's texts, cut short."""
    for what, most in (
        (resource.RLIMIT_CPU, _CPU_S),
        (resource.RLIMIT_AS, _MEMORY),
        (resource.RLIMIT_FSIZE, _OUTPUT),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))
    try:
        packages = list(islice(map(_harmless, FORMATS[kind](Path(path))), MOST_PACKAGES + 1))
    except (UnreadableError, sqlite3.Error, struct.error, IndexError, ValueError):
        sys.exit(_UNREADABLE)
    except MemoryError:
        sys.exit(_NOT_BELIEVED)
    if not 0 < len(packages) <= MOST_PACKAGES:
        sys.exit(_NOT_BELIEVED if packages else _UNREADABLE)
    try:
        json.dump(packages, sys.stdout)
        sys.stdout.flush()
    except (OSError, MemoryError):
        os._exit(_NOT_BELIEVED)


def _harmless(package: Package) -> list[str]:
    """Return a package's texts without control characters, each of one line; raises UnreadableError without a name."""
    texts = [printable(" ".join(text[: 2 * MOST_TEXT].split()))[:MOST_TEXT] for text in package]
    if not texts[0].strip(" /"):
        raise UnreadableError
    return texts
