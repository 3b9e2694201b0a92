"""The cpio archives that are appended to an initrd."""

import gzip
import shutil
import stat
import subprocess

import pytest

from imgpipe.media import newc

ENTRIES = [
    newc.Entry(name="etc", mode=stat.S_IFDIR | 0o755),
    newc.Entry(name="etc/odd", mode=stat.S_IFREG | 0o600, data=b"abcde"),
    newc.Entry(name="lib", mode=stat.S_IFLNK | 0o777, data=b"usr/lib"),
    newc.Entry(name="plain", mode=stat.S_IFREG | 0o644),
]


def test_what_is_written_can_be_read():
    assert list(newc.read(newc.write(ENTRIES))) == ENTRIES


def test_the_length_is_a_multiple_of_four_so_that_another_archive_can_follow():
    assert len(newc.write(ENTRIES)) % 4 == 0


def test_the_same_entries_give_the_same_bytes():
    assert newc.write(ENTRIES) == newc.write(list(ENTRIES))


def test_only_the_first_of_two_archives_is_read():
    assert [entry.name for entry in newc.read(newc.write(ENTRIES[:1]) + newc.write(ENTRIES[1:]))] == ["etc"]


def test_other_data_is_refused():
    with pytest.raises(ValueError, match="no newc header"):
        list(newc.read(gzip.compress(b"x") * 10))


def test_a_folder_is_read_with_parents_first(tmp_path):
    (tmp_path / "b" / "c").mkdir(parents=True)
    (tmp_path / "b" / "c" / "file").write_bytes(b"x")
    (tmp_path / "a").symlink_to("b")
    found = {entry.name: entry for entry in newc.scan(tmp_path)}
    assert list(found) == ["a", "b", "b/c", "b/c/file"]
    assert found["a"].data == b"b"
    assert stat.S_ISLNK(found["a"].mode)


@pytest.mark.programs
@pytest.mark.skipif(not shutil.which("cpio"), reason="cpio is not installed")
def test_cpio_agrees():
    done = subprocess.run(["cpio", "--list", "--quiet"], input=newc.write(ENTRIES), capture_output=True, check=True)
    assert done.stdout.decode().split() == [entry.name for entry in ENTRIES]
