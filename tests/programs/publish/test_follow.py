import time
from pathlib import Path

import pytest

from imgpipe.adapters import process
from imgpipe.errors import HostError

pytestmark = pytest.mark.programs


def is_gone(pid):
    end = time.monotonic() + 30
    while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
        time.sleep(0.01)
    return not Path(f"/proc/{pid}").exists()


def test_what_a_program_prints_is_handed_on_before_it_ends(tmp_path):
    go_on = tmp_path / "go on"
    heard = []

    def hear(piece):
        heard.append(piece)
        go_on.touch()

    # The program ends only if its first line was heard while it still ran.
    wait = 'n=0; until [ -e "$0" ] || [ $n -gt 300 ]; do sleep 0.1; n=$((n+1)); done'
    script = f'echo first; {wait}; [ -e "$0" ] && echo second'
    process.follow("sh", "-c", script, go_on, heard=hear)
    assert "".join(heard) == "first\nsecond\n"


def test_a_program_that_takes_too_long_is_ended():
    with pytest.raises(HostError, match=r"did not end within 0 seconds"):
        process.follow("sleep", "60", heard=lambda _: None, timeout_s=0.2)


def test_an_error_of_the_listener_ends_the_program():
    told = []

    def hear(piece):
        told.append(int(piece))
        raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        process.follow("sh", "-c", "echo $$; exec sleep 60", heard=hear)
    assert is_gone(told[0])


def test_a_program_that_fails_is_quoted_with_its_last_words():
    with pytest.raises(HostError, match="exit code 3") as caught:
        process.follow("sh", "-c", "echo why >&2; exit 3", heard=lambda _: None)
    assert caught.value.details[-1] == "why"


def test_a_program_that_is_not_there_is_named():
    with pytest.raises(HostError, match="'no-such-program' is not installed"):
        process.follow("no-such-program", heard=lambda _: None)
