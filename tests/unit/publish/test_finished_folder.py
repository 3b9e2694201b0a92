import pytest

from imgpipe.store import finished_folder


def test_the_folder_has_its_name_only_when_the_block_is_over(tmp_path):
    path = tmp_path / "images" / "1"
    with finished_folder(path) as partial:
        (partial / "deep").mkdir()
        (partial / "deep" / "file").write_text("x")
        assert not path.exists()
    assert (path / "deep" / "file").read_text() == "x"
    assert [entry.name for entry in path.parent.iterdir()] == ["1"]
    assert path.stat().st_mode & 0o777 == 0o755


def test_a_block_that_fails_leaves_nothing(tmp_path):
    def fill():
        with finished_folder(tmp_path / "1") as partial:
            (partial / "file").write_text("x")
            raise ValueError("stopped")

    with pytest.raises(ValueError, match="stopped"):
        fill()
    assert list(tmp_path.iterdir()) == []


def test_two_that_fill_at_once_have_folders_of_their_own(tmp_path):
    with finished_folder(tmp_path / "1") as first, finished_folder(tmp_path / "2") as second:
        assert first != second
        assert first.name.startswith(".partial-1-")


def test_a_finished_folder_is_never_replaced(tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "golden").write_text("first")

    def fill():
        with finished_folder(tmp_path / "1") as partial:
            (partial / "golden").write_text("second")

    with pytest.raises(OSError, match="not empty"):
        fill()
    assert (tmp_path / "1" / "golden").read_text() == "first"
    assert [entry.name for entry in tmp_path.iterdir()] == ["1"]
