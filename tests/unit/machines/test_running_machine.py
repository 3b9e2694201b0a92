"""A machine that ends, or whose daemon dies, while it is looked at."""

import libvirt
import pytest

from imgpipe.adapters.libvirt_errors import host_error
from imgpipe.adapters.machine import RunningMachine
from imgpipe.errors import HostError


class Failing(libvirt.libvirtError):
    """An error of libvirt that was never raised by it."""

    def __init__(self, code: int, text: str) -> None:
        Exception.__init__(self, text)
        self.err = (code, 0, text, 0, "", "", "", 0, 0)


class FakeConnection:
    def __init__(self, *, alive: bool) -> None:
        self.alive = alive

    def isAlive(self) -> bool:
        return self.alive

    def domainEventRegisterAny(self, *_arguments: object) -> int:
        return 1

    def domainEventDeregisterAny(self, _callback: int) -> None:
        pass


class FakeDomain:
    def __init__(self, connection: FakeConnection, error: Failing) -> None:
        self._connection, self._error = connection, error

    def connect(self) -> FakeConnection:
        return self._connection

    def name(self) -> str:
        return "vm"

    def info(self) -> list[int]:
        raise self._error

    def state(self) -> tuple[int, int]:
        raise self._error


MONITOR = Failing(libvirt.VIR_ERR_INTERNAL_ERROR, "Unable to read from monitor: Connection reset by peer")
CLOSED = Failing(libvirt.VIR_ERR_INTERNAL_ERROR, "internal error: client socket is closed")


def machine(error: Failing, *, alive: bool) -> RunningMachine:
    return RunningMachine(FakeDomain(FakeConnection(alive=alive), error), "qemu:///system", lambda: None)


def test_a_machine_that_ends_while_it_is_measured_has_no_activity():
    assert machine(MONITOR, alive=True).activity() is None


def test_a_dead_daemon_is_an_error_of_the_host():
    with pytest.raises(HostError, match="does not answer"):
        machine(CLOSED, alive=False).activity()
    with pytest.raises(HostError, match="does not answer"):
        machine(CLOSED, alive=False).state()


def test_the_end_of_a_machines_monitor_is_not_taken_for_the_daemons():
    assert "does not answer" not in str(host_error(MONITOR, "qemu:///system", "start 'vm'"))


def test_a_machine_that_is_gone_is_over_and_why_is_unknown_without_an_event(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("imgpipe.adapters.machine._EVENT_PATIENCE_SECONDS", 0)
    state = machine(Failing(libvirt.VIR_ERR_NO_DOMAIN, "no domain"), alive=True).state()
    assert (state.situation, state.ending) == ("ended", "unknown")


class Noted(FakeDomain):
    """A machine that notes in `calls` when it is ended."""

    def __init__(self, calls: list[str], *, active: bool) -> None:
        super().__init__(FakeConnection(alive=True), MONITOR)
        self._calls, self._active = calls, active

    def isActive(self) -> bool:
        return self._active

    def destroy(self) -> None:
        self._calls.append("destroy")


class NotedRecorder:
    def __init__(self, calls: list[str]) -> None:
        self._calls = calls

    def let_go(self) -> None:
        self._calls.append("let go")

    def finish(self) -> None:
        self._calls.append("finish")


@pytest.mark.parametrize(
    ("active", "expected"), [(True, ["let go", "destroy", "finish"]), (False, ["destroy", "finish"])]
)
def test_nobody_listens_to_a_machine_that_is_ended(active: bool, expected: list[str]):
    calls: list[str] = []
    RunningMachine(Noted(calls, active=active), "qemu:///system", lambda: None, (NotedRecorder(calls),)).destroy()
    assert calls == expected
