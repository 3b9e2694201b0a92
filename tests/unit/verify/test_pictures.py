"""A picture a minute, and only the last ones are kept."""

import stat

import pytest

from imgpipe.stages.pictures import FOLDER, Pictures


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


def shoot(path):
    path.write_bytes(b"a picture")
    return True


def names(folder):
    return sorted(path.name for path in (folder / FOLDER).iterdir())


def test_there_is_one_for_each_minute_however_often_it_looks(tmp_path, clock):
    pictures = Pictures(shoot, tmp_path, clock)
    for _ in range(300):
        clock.now += 0.5
        assert pictures.look(None) is False
    assert names(tmp_path) == ["001.png", "002.png"]
    assert stat.S_IMODE((tmp_path / FOLDER).stat().st_mode) == 0o700


def test_the_last_quarter_of_an_hour_is_kept(tmp_path, clock):
    pictures = Pictures(shoot, tmp_path, clock)
    for _ in range(40):
        clock.now += 60
        pictures.look(None)
    assert names(tmp_path) == [f"{minute:03}.png" for minute in range(26, 41)]


def test_a_new_install_begins_without_the_old_ones(tmp_path, clock):
    first = Pictures(shoot, tmp_path, clock)
    clock.now += 60
    first.look(None)
    Pictures(shoot, tmp_path, clock)
    assert names(tmp_path) == []
