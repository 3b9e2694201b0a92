"""Tests run in two lanes where pytest-xdist is asked for them ('-n 2'), else one after the other; long builds beside.

A file stays whole in one lane. What uses the demo's image shares its data root and its machines: it is one group, and
the longest, so it begins first. Tests that only look at what the long builds made come last.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from long_builds import NEEDS, Queue

if TYPE_CHECKING:
    from xdist.scheduler import LoadScopeScheduling

_SHARED = (
    "test_demo.py",
    "test_import.py",
    "test_cloned_macs.py",
    "test_deploy.py",
    "test_identity.py",
    "test_by_hand.py",
    "test_slow_hosts.py",
    "test_windows_failures.py",
    "test_clones.py",
    "test_rehearsal.py",
)
"""The files of tests/vm that use the fixture 'data', the data root that the demo's image lies in."""
_queues: list[Queue] = []


def _file(nodeid: str) -> str:
    return nodeid.partition("::")[0]


def _name(nodeid: str) -> str:
    return _file(nodeid).rpartition("/")[2]


def _needs(nodeid: str) -> tuple[str, ...]:
    """The long builds that a test looks at."""
    return NEEDS.get(_name(nodeid), ())


def _group(nodeid: str) -> str:
    """What stays in one lane together with a test."""
    if _name(nodeid) in _SHARED:
        return "demo"
    return "long builds" if _needs(nodeid) else _file(nodeid)


def _place(item: pytest.Item, in_lanes: bool) -> tuple[int, ...]:
    """Where a test stands: those of long builds last, and in lanes those first that take longest."""
    name, names = item.path.name, list(NEEDS)
    last = names.index(name) if name in NEEDS else -1
    if not in_lanes:
        return (last,)
    shared = _SHARED.index(name) if name in _SHARED else len(_SHARED)
    boots = any(item.iter_markers("vm")) or any(item.iter_markers("appliance"))
    return (shared, last, not boots, not any(item.iter_markers("libvirt")))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the tests in their order."""
    for item in items:
        shares = "/vm/" in item.nodeid and "data" in getattr(item, "fixturenames", ())
        assert not shares or item.path.name in _SHARED, f"{item.path} uses the data root of {_SHARED}: put it there"
    in_lanes = hasattr(config, "workerinput")
    items.sort(key=lambda item: _place(item, in_lanes))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling:
    """Give a lane one group after the other, in the order of the tests."""
    from xdist.scheduler import LoadScopeScheduling

    class Lanes(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _group(nodeid)

    config.option.loadscopereorder = False
    return Lanes(config, log)


def _start(nodeids: Iterable[str]) -> None:
    """Start the long builds before the first test of all, those that the tests look at."""
    names = {name for nodeid in nodeids for name in _needs(nodeid)}
    if names and not _queues:
        _queues.append(Queue(names))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start them where tests run in this process."""
    if not hasattr(session.config, "workerinput") and not session.config.option.collectonly:
        _start(item.nodeid for item in session.items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(ids: Sequence[str]) -> None:
    """Start them where lanes run in processes of their own, which all collect the same tests."""
    _start(ids)


def pytest_sessionfinish() -> None:
    """End what still runs, as after Ctrl-C."""
    for queue in _queues:
        queue.end()


@dataclass(slots=True)
class _Lane:
    """The file that a lane is at, and since when."""

    file: str
    began: float


class _Files:
    """Tells how long each file took in its lane; pytest itself does so without lanes only."""

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self._terminal = terminal
        self._lanes: dict[str, _Lane] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        lane = getattr(report, "worker_id", "")
        at = self._lanes.get(lane)
        file = _file(report.nodeid)
        if at and at.file != file:
            self._tell(lane, at)
        if not at or at.file != file:
            self._lanes[lane] = _Lane(file, time.monotonic() - report.duration)

    def pytest_terminal_summary(self) -> None:
        for lane, at in self._lanes.items():
            self._tell(lane, at)

    def _tell(self, lane: str, at: _Lane) -> None:
        self._terminal.ensure_newline()
        self._terminal.write_line(f"{lane} {at.file} {time.monotonic() - at.began:.1f} s")


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    if getattr(config.option, "numprocesses", None):
        terminal = config.pluginmanager.get_plugin("terminalreporter")
        config.pluginmanager.register(_Files(terminal), "times of files")
