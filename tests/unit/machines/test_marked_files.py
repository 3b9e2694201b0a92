"""Files that are shown to be one's own by a hidden name."""

import pytest

from imgpipe.adapters.marks import appearing, hidden, is_marked, new_mark, unmark
from imgpipe.adapters.pool_folder import FolderPool
from imgpipe.errors import HostError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "web.qcow2"


def make(path, meanwhile):
    with appearing(path, new_mark()) as place:
        place.write_bytes(b"ours")
        meanwhile()


def test_a_file_appears_whole_and_is_known_until_it_is_unmarked(path):
    mark = new_mark()
    with appearing(path, mark) as place:
        place.write_bytes(b"half")
        assert not path.exists()
        place.write_bytes(b"whole")
    assert path.read_bytes() == b"whole"
    assert is_marked(path, mark)
    assert not is_marked(path, new_mark())
    assert not is_marked(path, "")
    unmark(path, mark)
    assert not is_marked(path, mark)
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_takes_the_name_meanwhile_stays(path):
    def taken():
        path.write_bytes(b"theirs")

    with pytest.raises(FileExistsError):
        make(path, taken)
    assert path.read_bytes() == b"theirs"
    assert list(path.parent.iterdir()) == [path]


def test_nothing_is_left_of_what_fails(path):
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(path, interrupted)
    assert list(path.parent.iterdir()) == []


def test_a_file_of_the_same_name_is_not_taken_for_the_marked_one(path):
    mark = new_mark()
    with appearing(path, mark) as place:
        place.write_bytes(b"ours")
    path.unlink()
    path.write_bytes(b"ours")
    assert not is_marked(path, mark)


def test_a_hidden_name_that_cannot_be_removed_is_told(path):
    hidden(path, "0" * 16).mkdir()
    with pytest.raises(HostError, match="cannot be deleted"):
        unmark(path, "0" * 16)


def test_a_pool_knows_a_volume_by_its_mark_or_by_its_proof(tmp_path):
    pool, mark = FolderPool("default", tmp_path, None), new_mark()
    pool.write_small("seed", b"ours", mark=mark)
    with pytest.raises(HostError, match="File exists") as told:
        pool.write_small("seed", b"other", mark=new_mark())
    assert f"--leftover {pool.name}/seed" in told.value.hint
    assert pool.is_own("seed", mark, "")
    assert pool.hidden("seed", mark) == (f".seed.{mark}",)
    proof = pool.proof("seed")
    pool.unmark(mark, "seed")
    assert not pool.is_own("seed", mark, "")
    assert pool.is_own("seed", mark, proof)
    pool.write_small("seed", b"else")
    assert not pool.is_own("seed", "", proof)
    assert pool.proof("gone") == ""
    assert not pool.is_own("gone", "", "")
