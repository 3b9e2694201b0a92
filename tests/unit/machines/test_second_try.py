"""A machine that stopped by itself is run once more, and only once."""

import pytest

from imgpipe.errors import GuestError, HostError
from imgpipe.events import Note
from imgpipe.stages.second_try import Stray, with_second_try


class Machine:
    """Raises `errors`, one a run, then returns how often it was run."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.runs = 0
        self.heard = []

    def __call__(self) -> int:
        self.runs += 1
        if self.errors:
            raise self.errors.pop(0)
        return self.runs

    def run(self) -> int:
        return with_second_try(self, self.heard.append)


def test_what_ends_well_is_run_once():
    machine = Machine()
    assert machine.run() == 1
    assert machine.heard == []


def test_a_stray_failure_is_followed_by_a_second_run_and_told():
    machine = Machine(Stray(HostError("QEMU ended.", details=("qemu:", "  an assertion failed"))))
    assert machine.run() == 2
    assert machine.heard == [Note(text="QEMU ended. It is tried once more. qemu: an assertion failed", warning=True)]


def test_a_second_stray_failure_is_the_error():
    machine = Machine(Stray(HostError("First.")), Stray(GuestError("Second.")))
    with pytest.raises(GuestError, match=r"Second\."):
        machine.run()
    assert machine.runs == 2


def test_any_other_failure_is_final():
    machine = Machine(GuestError("The answer file is wrong."))
    with pytest.raises(GuestError):
        machine.run()
    assert machine.runs == 1
