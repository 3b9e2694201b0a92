"""The package databases of images, in files made here byte by byte as their programs make them."""

import os
import shutil
import sqlite3
import struct
import tracemalloc
from contextlib import closing
from pathlib import Path

import pytest

from imgpipe.guest_worker import package_reading
from imgpipe.guest_worker.package_databases import Package, UnreadableError, dpkg_packages, hash_headers, rpm_packages
from imgpipe.guest_worker.package_reading import MOST_BYTES, MOST_PACKAGES, MOST_TEXT, Found, read_databases

STATUS = """Package: bash
Essential: yes
Status: install ok installed
Maintainer: Matthias Klose <doko@debian.org>
Architecture: amd64
Source: bash (5.2.15-2)
Version: 5.2.15-2+b8
Description: a shell
 Status: deinstall ok config-files
 Package: none

Package: gone
Status: deinstall ok config-files
Version: 1

Package: libc6
Status: install ok installed
Maintainer: GNU Libc Maintainers <debian-glibc@lists.debian.org>
Architecture: amd64
Source: glibc
Version: 2.36-9
"""
INSTALLED = "C:Q1abc=\nP:musl\nV:1.2.4-r2\nA:x86_64\no:musl\nm:Ann Lee <a@example.org>\nL:MIT\n\nP:zlib\nV:1.3-r0\n"
NOT_BELIEVED = Found("", [])
BASH = Package("bash", "5.1.8-9.el9", "x86_64", "bash-5.1.8-9.el9.src.rpm", "Rocky", "GPLv3+")
pytestmark = pytest.mark.programs

TEXTS = {
    1000: "name",
    1001: "version",
    1002: "release",
    1011: "supplier",
    1014: "licence",
    1022: "arch",
    1044: "source",
}


class FakeGuestFS:
    """The files of a guest, below a folder of the host."""

    def __init__(self, root):
        self.root = root

    def at(self, path):
        return self.root / path.lstrip("/")

    def is_file(self, path, followsymlinks):
        return self.at(path).is_file()

    def filesize(self, path):
        return self.at(path).stat().st_size

    def download(self, path, target):
        shutil.copyfile(self.at(path), target)


@pytest.fixture
def guest(tmp_path):
    return FakeGuestFS(tmp_path / "guest")


def put(guest, path, content):
    target = guest.at(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content if isinstance(content, bytes) else content.encode())
    return target


def header(name="bash", version="5.1.8", release="9.el9", epoch=None, **more):
    """Return an rpm header: how many entries and bytes, an entry for each tag, and the data that they point into."""
    values = {"name": name, "version": version, "release": release, **more}
    entries, data = [], b""
    for tag, key in TEXTS.items():
        if key in values:
            entries.append(struct.pack(">4i", tag, 6, len(data), 1))
            data += values[key].encode() + b"\0"
    if epoch is not None:
        data += b"\0" * (-len(data) % 4)
        entries.append(struct.pack(">4i", 1003, 4, len(data), 1))
        data += struct.pack(">I", epoch)
    return struct.pack(">II", len(entries), len(data)) + b"".join(entries) + data


BASH_HEADER = header(arch="x86_64", source="bash-5.1.8-9.el9.src.rpm", supplier="Rocky", licence="GPLv3+")


def put_sqlite(guest, headers, folder="/var/lib/rpm"):
    path = put(guest, f"{folder}/rpmdb.sqlite", "")
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)")
        database.executemany("INSERT INTO Packages (blob) VALUES (?)", [(one,) for one in headers])
    return path


def berkeley(headers, size=512, order="<"):
    """Return a hash file of Berkeley DB: a page about it, one of keys and values, and pages of large values."""
    pages = [struct.pack(f"{order}12xIII4xB", 0x061561, 9, size, 0), b""]
    places, items = [], b""
    for number, one in enumerate(headers, 1):
        first = len(pages)
        pieces = [one[at : at + size - 26] for at in range(0, len(one), size - 26)]
        for count, piece in enumerate(pieces):
            following = len(pages) + 1 if count < len(pieces) - 1 else 0
            pages.append(struct.pack(f"{order}8xIIIHHBB", len(pages), 0, following, 1, len(piece), 0, 7) + piece)
        for item in (struct.pack(f"{order}BI", 1, number), struct.pack(f"{order}B3xII", 3, first, len(one))):
            items = item + items
            places.append(size - len(items))
    index = struct.pack(f"{order}{len(places)}H", *places)
    top = struct.pack(f"{order}8xIIIHHBB", 1, 0, 0, len(places), places[-1], 0, 13) + index
    pages[1] = top.ljust(size - len(items), b"\0") + items
    return b"".join(page.ljust(size, b"\0") for page in pages)


def test_dpkgs_packages_are_those_that_are_installed(guest):
    put(guest, "/var/lib/dpkg/status", STATUS)
    assert read_databases(guest) == Found(
        "deb",
        [
            Package("bash", "5.2.15-2+b8", "amd64", "bash@5.2.15-2", "Matthias Klose"),
            Package("libc6", "2.36-9", "amd64", "glibc", "GNU Libc Maintainers"),
        ],
    )


@pytest.mark.parametrize("path", ["/lib/apk/db/installed", "/usr/lib/apk/db/installed"])
def test_apks_packages_have_their_licence(guest, path):
    put(guest, path, INSTALLED)
    musl = Package("musl", "1.2.4-r2", "x86_64", "musl", "Ann Lee", "MIT")
    assert read_databases(guest) == Found("apk", [musl, Package("zlib", "1.3-r0")])


@pytest.mark.parametrize("folder", ["/var/lib/rpm", "/usr/lib/sysimage/rpm"])
def test_rpms_packages_are_read_from_sqlite(guest, folder):
    vim = header("vim", "8.2", "20.el9", epoch=2, arch="x86_64", source="(none)")
    key = header("gpg-pubkey", "350d275d", "6279464b")
    put_sqlite(guest, [BASH_HEADER, vim, key, header("dnf", "4.14", "9", epoch=0)], folder)
    assert read_databases(guest) == Found(
        "rpm", [BASH, Package("vim", "2:8.2-20.el9", "x86_64"), Package("dnf", "4.14-9")]
    )


def test_what_sqlite_has_not_merged_yet_is_read_too(guest, tmp_path):
    path = put_sqlite(guest, [])
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("INSERT INTO Packages (blob) VALUES (?)", (BASH_HEADER,))
        database.commit()
        assert Path(f"{path}-wal").stat().st_size
        assert read_databases(guest) == Found("rpm", [BASH])


@pytest.mark.parametrize("order", ["<", ">"])
def test_rpms_packages_of_before_are_read_from_berkeley_db(guest, order):
    # Of several pages: what a package provides fills some.
    long = header("glibc", "2.28", "251.el8", arch="x86_64", licence="LGPLv2+ " * 200)
    put(guest, "/var/lib/rpm/Packages", berkeley([BASH_HEADER, long], order=order))
    found = read_databases(guest)
    assert (found.kind, found.packages[0].name, found.packages[1].name) == ("rpm", "bash", "glibc")
    assert found.packages[1].licence == ("LGPLv2+ " * 200).strip()


def test_the_fuller_database_is_the_systems_own(guest):
    put_sqlite(guest, [BASH_HEADER])
    put(guest, "/var/lib/dpkg/status", STATUS)
    assert read_databases(guest).kind == "deb"


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/var/lib/rpm/rpmdb.sqlite", b"no database"),
        ("/var/lib/rpm/Packages", b""),
        ("/var/lib/rpm/Packages", b"\0" * 4096),
        ("/var/lib/rpm/Packages", berkeley([BASH_HEADER])[:1024]),
        ("/var/lib/rpm/Packages", berkeley([BASH_HEADER[:40]])),
        ("/var/lib/dpkg/status", b"\xff\xfe\0\0"),
    ],
)
def test_a_damaged_database_is_none(guest, path, content):
    put(guest, path, content)
    assert read_databases(guest) is None


def test_a_value_that_runs_in_circles_or_claims_gigabytes_is_refused(tmp_path):
    good = bytearray(berkeley([BASH_HEADER]))
    place = good.index(struct.pack("<B3xII", 3, 2, len(BASH_HEADER)))
    for length in (10_000, 2**32 - 1):
        bad = good[:]
        struct.pack_into("<I", bad, place + 8, length)
        struct.pack_into("<I", bad, 2 * 512 + 16, 2)
        (tmp_path / "Packages").write_bytes(bad)
        with pytest.raises(UnreadableError):
            list(hash_headers(tmp_path / "Packages"))


def test_a_database_with_more_packages_than_any_system_has_is_not_believed(guest):
    put_sqlite(guest, [BASH_HEADER] * (MOST_PACKAGES + 1))
    assert read_databases(guest) == NOT_BELIEVED


def database_of(guest, script, *rows):
    path = put(guest, "/var/lib/rpm/rpmdb.sqlite", "")
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(script)
        for row in rows:
            database.execute("INSERT INTO Packages VALUES (1, ?)", (row,))


def test_a_view_that_never_ends_is_not_believed(guest, monkeypatch):
    monkeypatch.setattr(package_reading, "_ALL_S", 3)
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i, i FROM n WHERE i < 0"
    database_of(guest, f"CREATE VIEW Packages (hnum, blob) AS {endless}")
    put(guest, "/var/lib/dpkg/status", STATUS)
    assert read_databases(guest).kind == "deb"
    guest.at("/var/lib/dpkg/status").unlink()
    assert read_databases(guest) == NOT_BELIEVED


def test_a_blob_larger_than_the_memory_that_reading_may_take_is_not_believed(guest):
    database_of(guest, "CREATE VIEW Packages (hnum, blob) AS SELECT 1, zeroblob(900000000) || zeroblob(90000000)")
    assert read_databases(guest) in (NOT_BELIEVED, None)


@pytest.mark.parametrize("blob", [5, None, "bash", 1.5])
def test_a_blob_that_is_none_is_refused(guest, blob):
    database_of(guest, "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob)", blob)
    assert read_databases(guest) is None


@pytest.mark.parametrize("size", [MOST_BYTES, MOST_BYTES + 1])
@pytest.mark.parametrize("path", ["/var/lib/dpkg/status", "/var/lib/rpm/Packages"])
def test_sparse_files_of_any_size_are_no_database(guest, path, size):
    with put(guest, path, "").open("r+b") as file:
        file.truncate(size)
    guest.download = lambda path, target: os.link(guest.at(path), target)
    assert read_databases(guest) in (NOT_BELIEVED, None)


def test_fields_that_nobody_asked_for_are_not_kept(tmp_path):
    status = tmp_path / "status"
    status.write_text("Package: a\nStatus: install ok installed\n" + "".join(f"X-{n}: y\n" for n in range(300_000)))
    tracemalloc.start()
    assert [package.name for package in dpkg_packages(status)] == ["a"]
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_names_of_megabytes_and_with_escape_sequences_come_short_and_harmless(guest):
    put_sqlite(guest, [header("x" * 2**20), header("a\x1b[2Jb\nc", licence="MIT\n and\tmore\x07")])
    names = [(package.name, package.licence) for package in read_databases(guest).packages]
    assert names == [("x" * MOST_TEXT, ""), ("a[2Jb c", "MIT and more")]


@pytest.mark.parametrize("name", ["\x01", " ", "//"])
def test_a_package_whose_name_says_nothing_is_none(guest, name):
    put_sqlite(guest, [header(name)])
    assert read_databases(guest) is None


def test_what_cannot_be_copied_out_of_the_guest_is_unreadable(guest):
    def download(path, target):
        raise RuntimeError(f"read: {path}: Input/output error")

    put(guest, "/var/lib/dpkg/status", STATUS)
    guest.download = download
    assert read_databases(guest) is None


def test_copies_lie_in_the_workers_own_folder_and_are_gone(guest, tmp_path, monkeypatch):
    own, places = tmp_path / "own", []
    own.mkdir()
    monkeypatch.setenv("LIBGUESTFS_TMPDIR", str(own))
    guest.download = lambda path, target: places.append(shutil.copyfile(guest.at(path), target))
    put(guest, "/var/lib/dpkg/status", STATUS)
    assert read_databases(guest).kind == "deb"
    assert [Path(place).is_relative_to(own) for place in places] == [True]
    assert not list(own.iterdir())


def test_a_header_without_a_name_is_no_package(tmp_path):
    guest = FakeGuestFS(tmp_path)
    with pytest.raises(UnreadableError):
        list(rpm_packages(put_sqlite(guest, [struct.pack(">II", 0, 0)])))
