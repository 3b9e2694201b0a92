"""Media whose tables lie: each ends in a sentence, with bounded memory, and none is read for ever."""

import struct
import time
from functools import partial

import pytest

from bounds import bounded_by
from hostile_iso import (
    FILES,
    ROOT,
    SECTOR,
    SP,
    Medium,
    boot_catalog,
    both,
    ce,
    el_torito,
    folder,
    nm,
    record,
)
from imgpipe.adapters import iso
from imgpipe.errors import RecipeError
from imgpipe.media.identify import identify

bounded = partial(bounded_by, seconds=300, memory=256 * 2**20)
ER = b"ER\x12\x01\x0a\0\0\x01RRIP_1991A"


def file(name=b"A.TXT;1", length=3, extent=FILES, **more):
    return record(name, extent, length, **more)


def sub(extent, name=b"LOOP"):
    return record(name, extent, SECTOR, folder=True)


def rock(use, *records, sectors=None):
    """A medium whose root folder says `use` of itself, in Rock Ridge's way."""
    dots = record(b"\0", ROOT, SECTOR, folder=True, system_use=use) + record(b"\1", ROOT, SECTOR, folder=True)
    return Medium(sectors={ROOT: dots + b"".join(records), **(sectors or {})})


def fan(depth, width):
    """Folders of which each has many names for the next one: as many paths as width to the power of depth."""
    below = {28 + n: folder(*(sub(29 + n, b"D%02d" % name) for name in range(width)), own=28 + n) for n in range(depth)}
    return Medium([sub(28, b"FAN")], sectors=below, folders=tuple(range(28, 28 + depth)))


ENTRY = b"\x88\0\0\0\0\0\1\0"
LIES = {
    "a folder that is its parent": Medium([sub(ROOT), file()]),
    "a folder that holds itself": Medium([sub(30)], sectors={30: folder(sub(30), own=30)}, folders=(30,)),
    "two folders that hold each other": Medium(
        [sub(30)], sectors={30: folder(sub(31), own=30), 31: folder(sub(30), own=31)}, folders=(30, 31)
    ),
    "a fan of folders": fan(12, 30),
    "a record of 1 byte": Medium([file(size=1)]),
    "a record that is too short": Medium([file(size=33)]),
    "a root folder of 2 GiB": Medium([file()], root_length=2**31),
    "a root folder beyond the end": Medium([file()], root_extent=2**31),
    "a root folder that is the descriptor": Medium([file()], root_extent=16),
    "a path table of 4 GiB": Medium([file()], path_table_length=2**32 - 1),
    "a path table of 60 MiB": Medium([file()], path_table_length=60 * 2**20, size=40_000),
    "path tables that differ": Medium([file()], path_table=(struct.pack("<BBIH", 1, 0, ROOT, 1) + b"\0\0") * 200),
    "a continuation of itself": rock(SP + ER + ce(35, 0, 28), sectors={35: ce(35, 0, 28)}),
    "two continuations of each other": rock(SP + ER + ce(35, 0, 28), sectors={35: ce(36, 0, 28), 36: ce(35, 0, 28)}),
    "a file that goes on in itself": rock(
        SP + ER, file(system_use=nm(b"a") + ce(35, 0, 28)), sectors={35: ce(35, 0, 28)}
    ),
    "a continuation of 4 GiB": rock(SP + ER + ce(35, 0, 2**32 - 1)),
    "a continuation beyond the end": rock(SP + ER + ce(2**32 - 1, 2**32 - 1, 100)),
    "an entry without a length": rock(SP + ER, file(system_use=b"NM\0\x01\0")),
    "a folder that was moved into itself": rock(SP + ER, file(system_use=nm(b"d") + b"CL\x0c\x01" + both(ROOT))),
    "a boot catalog beyond the end": Medium([file()], boot_record=el_torito(2**32 - 1)),
    "a boot catalog that is none": Medium([file()], boot_record=el_torito()),
    "a boot catalog with too many sections": Medium(
        [file()],
        boot_record=el_torito(),
        sectors={32: boot_catalog(ENTRY + struct.pack("<I", FILES), *[b"\x90\xef\xff\xff"] * 60)},
    ),
    "a boot image beyond the end": Medium(
        [file(extent=32, length=2048)],
        boot_record=el_torito(),
        sectors={32: boot_catalog(b"\x88\0\0\0\0\0\xff\xff" + struct.pack("<I", 2**32 - 1))},
    ),
}
"""What no medium that anybody made has; each is refused."""

ODD = {
    "a record of 255 bytes": Medium([file(size=255)], sectors={FILES: b"abc"}),
    "a file of 20 times 4 GiB": Medium([file(length=2**32 - 1) for _ in range(20)]),
    "a name that goes on without an end": rock(SP + ER, file(system_use=nm(b"x" * 50, goes_on=True))),
    "a root folder without a length": Medium([file()], root_length=0),
    "a path table of zeros": Medium([file()], path_table=b"\0" * 2000),
}
"""What can be read, as far as it goes."""


@pytest.mark.parametrize("lie", LIES)
def test_a_medium_whose_tables_lie_is_refused(tmp_path, lie):
    path = LIES[lie].write(tmp_path / "lie.iso")
    with bounded(lie), pytest.raises(RecipeError, match=r"medium 'lie\.iso'.*\.$") as caught:
        identify(path)
    # A sentence has words: a number alone, as a KeyError's text is, tells nobody anything.
    assert len(str(caught.value).split()) > 7


@pytest.mark.parametrize("lie", ODD)
def test_an_odd_medium_is_read_as_far_as_it_goes(tmp_path, lie):
    path = ODD[lie].write(tmp_path / "odd.iso")
    with bounded(lie):
        assert identify(path).title == "HOSTILE"
        with iso.open_iso(path) as medium:
            for name in medium.glob("*"):
                medium.extract(name, tmp_path / "out")
                assert (tmp_path / "out").stat().st_size <= path.stat().st_size
            assert medium.glob("*/*/*") == ()


@pytest.mark.parametrize("length", [3, 2048])
def test_a_file_beyond_the_end_is_never_read_as_a_shorter_one(tmp_path, length):
    path = Medium([file(extent=2**32 - 1, length=length)]).write(tmp_path / "far.iso")
    with iso.open_iso(path) as medium:
        for act in (
            lambda: medium.read("a.txt"),
            lambda: medium.read_part("a.txt", 0, length),
            lambda: medium.extract("a.txt", tmp_path / "out"),
        ):
            with pytest.raises(RecipeError, match="incomplete"):
                act()


def many(count):
    """A medium with many folders, each a record in the path table and a sector of its own."""
    first = 100
    records = [sub(first + n, b"%06X" % n) for n in range(count)]
    whole, root = b"", b""
    for one in [record(b"\0", 50, 0, folder=True), record(b"\1", 50, 0, folder=True), *records]:
        if len(root) + len(one) > SECTOR:
            whole, root = whole + root.ljust(SECTOR, b"\0"), b""
        root += one
    whole += root.ljust(SECTOR, b"\0")
    places = range(first, first + count)
    below = {place: folder(own=place) for place in places}
    return Medium(
        root_extent=50, root_length=len(whole), sectors={50: whole, **below}, size=first + count, folders=tuple(places)
    )


def test_tables_that_take_too_long_are_given_up(tmp_path, monkeypatch):
    path = many(500).write(tmp_path / "many.iso")
    clock = iter(range(10_000))
    monkeypatch.setattr(time, "thread_time", lambda: float(next(clock)))
    with pytest.raises(RecipeError, match="tables of the medium 'many.iso' are larger"), iso.open_iso(path):
        pass
    assert 100 < next(clock) < 300


def test_folders_without_lies_are_read(tmp_path):
    with iso.open_iso(many(500).write(tmp_path / "many.iso")) as medium:
        assert medium.glob("*/*") == ()
        assert not medium.is_file("0001F3")
