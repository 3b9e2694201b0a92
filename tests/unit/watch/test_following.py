"""Files that grow, are cut and are replaced while they are read."""

from pathlib import Path

from imgpipe.stages.following import FollowedFile


def test_only_what_is_new_is_read(tmp_path: Path):
    path = tmp_path / "console.log"
    followed = FollowedFile(path)
    assert followed.read() == b""
    path.write_bytes(b"one")
    assert followed.read() == b"one"
    assert followed.read() == b""
    with path.open("ab") as file:
        file.write(b"two")
    assert followed.read() == b"two"
    assert followed.total == 6
    followed.close()


def test_a_rotated_file_is_read_to_its_end_before_the_new_one(tmp_path: Path):
    path = tmp_path / "console.log"
    path.write_bytes(b"one")
    followed = FollowedFile(path)
    assert followed.read() == b"one"
    with path.open("ab") as file:
        file.write(b"two")
    path.rename(tmp_path / "console.log.0")
    path.write_bytes(b"three")
    assert [followed.read() for _ in range(3)] == [b"two", b"", b"three"]
    followed.close()


def test_a_file_that_was_cut_is_read_from_its_start(tmp_path: Path):
    path = tmp_path / "console.log"
    path.write_bytes(b"a long first text")
    followed = FollowedFile(path)
    followed.read()
    path.write_bytes(b"new")
    assert followed.read() == b"new"
    followed.close()


def test_of_a_flood_only_the_newest_is_read(tmp_path: Path):
    path = tmp_path / "console.log"
    path.write_bytes(bytes(20 * 2**20) + b"end")
    followed = FollowedFile(path)
    data = followed.read()
    assert data.endswith(b"end")
    assert len(data) <= 2**20
    followed.close()


def test_a_prepared_file_is_ours_alone(tmp_path: Path):
    path = tmp_path / "console.log"
    path.write_bytes(b"old")
    followed = FollowedFile(path)
    followed.prepare()
    assert followed.read() == b""
    assert path.stat().st_mode & 0o777 == 0o600
    followed.close()
