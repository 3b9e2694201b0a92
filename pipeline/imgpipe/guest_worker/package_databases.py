"""The package databases of an image, read as files: no program of the image runs, and libguestfs need not know it.

libguestfs lists packages only of distributions that it knows, which on older hosts leaves out AlmaLinux, openEuler,
Anolis OS, OpenCloudOS and UOS; and it says neither what a package was built of, nor by whom, nor its licence. The
formats are those of dpkg(1) and apk-tools, deb-control(5)'s paragraphs; rpm's headers stand in a table of SQLite, and
before rpm 4.16 in a hash of Berkeley DB (rpm: docs/manual/hregions.md; libdb: src/dbinc/db_page.h).
"""

from __future__ import annotations

import re
import sqlite3
import struct
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import NamedTuple

_SOURCE = re.compile(r"(\S+)(?:\s+\(([^)]+)\))?")
_PERSON = re.compile(r"\s*<[^>]*>\s*$")
_FIELDS = frozenset({"Package", "Status", "Version", "Architecture", "Source", "Maintainer", *"PVAomL"})
_TAGS = {1000: "name", 1001: "version", 1002: "release", 1003: "epoch", 1011: "vendor", 1014: "licence",
         1022: "arch", 1044: "source"}  # fmt: skip
_INT32, _STRING, _I18N = 4, 6, 9
_BDB_HASH, _HASH_PAGES, _OVERFLOW, _OFF_PAGE = 0x061561, (2, 13), 7, 3
_PAGE_HEADER = 26
_KEYS_OF_SIGNERS = "gpg-pubkey"


class Package(NamedTuple):
    """One installed package; `version` has the epoch and the release in it, as EPOCH:VERSION-RELEASE.

    `source` is what it was built of: the file name of a source RPM; NAME, or NAME@VERSION, for others.
    """

    name: str
    version: str
    arch: str = ""
    source: str = ""
    supplier: str = ""
    licence: str = ""


class UnreadableError(Exception):
    """A database that is damaged, or of a format that is not known here."""


def dpkg_packages(path: Path) -> Iterator[Package]:
    """Yield what dpkg(1) has installed, as its status file says it."""
    for fields in _paragraphs(path, ": "):
        if not fields.get("Status", "").endswith(" installed"):
            continue
        version = fields.get("Version", "")
        source = _SOURCE.match(fields.get("Source", fields["Package"]))
        name, of = (source[1], source[2] or version) if source else ("", "")
        built = name if of == version else f"{name}@{of}"
        supplier = _PERSON.sub("", fields.get("Maintainer", ""))
        yield Package(fields["Package"], version, fields.get("Architecture", ""), built, supplier)


def apk_packages(path: Path) -> Iterator[Package]:
    """Yield what apk has installed: one letter a field (apk-package(5))."""
    for fields in _paragraphs(path, ":"):
        if "P" in fields:
            version, arch, source, supplier, licence = (fields.get(key, "") for key in "VAomL")
            yield Package(fields["P"], version, arch, source, _PERSON.sub("", supplier), licence)


def _paragraphs(path: Path, mark: str) -> Iterator[dict[str, str]]:
    """Yield paragraphs of lines 'KEY, mark, value' that have a package's name; lines that go on are left out."""
    fields: dict[str, str] = {}
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in chain(file, ("\n",)):
            if line.strip():
                key, there, value = line.rstrip("\n").partition(mark)
                if there and key in _FIELDS:
                    fields.setdefault(key, value.strip())
                continue
            if fields.keys() & {"Package", "P"}:
                yield fields
            fields = {}


def rpm_packages(path: Path) -> Iterator[Package]:
    """Yield what rpm has installed; the keys of signers, which stand among the packages, are none."""
    headers = sqlite_headers(path) if path.name.endswith(".sqlite") else hash_headers(path)
    for header in headers:
        told = header_fields(header)
        if not told.get("name"):
            raise UnreadableError
        if told["name"] == _KEYS_OF_SIGNERS:
            continue
        # An epoch of 0 is what a package without one has (rpm-version(7)).
        epoch = f"{told['epoch']}:" if told.get("epoch", "0") != "0" else ""
        version = f"{epoch}{told.get('version', '')}-{told.get('release', '')}"
        source = "" if told.get("source") == "(none)" else told.get("source", "")
        yield Package(
            told["name"], version, told.get("arch", ""), source, told.get("vendor", ""), told.get("licence", "")
        )


def sqlite_headers(path: Path) -> Iterator[bytes]:
    """Yield the headers in an rpmdb.sqlite."""
    with closing(sqlite3.connect(path)) as database:
        for (blob,) in database.execute("SELECT blob FROM Packages ORDER BY hnum"):
            # SQLite keeps values of any type in any column.
            if not isinstance(blob, bytes):
                raise UnreadableError
            yield blob


def hash_headers(path: Path) -> Iterator[bytes]:
    """Yield the headers in a file 'Packages' of Berkeley DB: values too large for a page, each on pages of its own."""
    data = path.read_bytes()
    order = next((way for way in "<>" if struct.unpack_from(f"{way}I", data, 12)[0] == _BDB_HASH), "")
    if not order:
        raise UnreadableError
    (size,) = struct.unpack_from(f"{order}I", data, 20)
    if not 512 <= size <= 65536:
        raise UnreadableError
    for start in range(size, len(data) - size + 1, size):
        entries, kind = struct.unpack_from(f"{order}H", data, start + 20)[0], data[start + 25]
        if kind not in _HASH_PAGES:
            continue
        places = struct.unpack_from(f"{order}{entries}H", data, start + _PAGE_HEADER)
        # Keys and values take turns; only the values that are on pages of their own are headers.
        for place in places[1::2]:
            if data[start + place] == _OFF_PAGE:
                page, length = struct.unpack_from(f"{order}II", data, start + place + 4)
                yield _overflow(data, order, size, page, length)


def _overflow(data: bytes, order: str, size: int, page: int, length: int) -> bytes:
    """Return a value that lies on a chain of pages."""
    value = bytearray()
    if length > len(data):
        raise UnreadableError
    while page and len(value) < length:
        start = page * size
        if data[start + 25] != _OVERFLOW:
            raise UnreadableError
        (following,) = struct.unpack_from(f"{order}I", data, start + 16)
        value += data[start + _PAGE_HEADER : start + size]
        page = following
    if len(value) < length:
        raise UnreadableError
    return bytes(value[:length])


def header_fields(header: bytes) -> dict[str, str]:
    """Return the fields of one rpm header that are wanted: its index, of 16 bytes an entry, and then its data."""
    entries, length = struct.unpack_from(">II", header)
    start = 8 + entries * 16
    data = header[start : start + length]
    told: dict[str, str] = {}
    for number in range(min(entries, (len(header) - 8) // 16)):
        tag, kind, offset, _ = struct.unpack_from(">4i", header, 8 + number * 16)
        if tag in _TAGS and kind == _INT32:
            told[_TAGS[tag]] = str(struct.unpack_from(">I", data, offset)[0])
        elif tag in _TAGS and kind in (_STRING, _I18N):
            told[_TAGS[tag]] = data[offset : data.index(b"\0", offset)].decode("utf-8", "replace")
    return told


FORMATS: dict[str, Callable[[Path], Iterator[Package]]] = {
    "deb": dpkg_packages, "apk": apk_packages, "rpm": rpm_packages,
}  # fmt: skip
