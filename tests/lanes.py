"""Tests run in two lanes where pytest-xdist is asked for them ('-n 2'), else one after the other; long builds beside.

A file stays whole in one lane. What uses the demo's image shares its data root and its machines: it is one group, and
the longest, so it begins first. Tests that only look at what the long builds made come last.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pytest

from long_builds import NEEDS, Queue

# With the arguments of tests/run: groups are taken in the order in which they are collected.
_SHARED = "data"
"""The fixture of the data root that the demo's image lies in."""
_queues: list[Queue] = []


def _file(nodeid: str) -> str:
    return nodeid.partition("::")[0]


def _needs(nodeid: str) -> tuple[str, ...]:
    """The long builds that a test looks at."""
    return NEEDS.get(_file(nodeid).rpartition("/")[2], ())


def _group(item: pytest.Function) -> str:
    if _SHARED in item.fixturenames:
        return _SHARED
    return "long builds" if _needs(item.nodeid) else _file(item.nodeid)


def _place(item: pytest.Function, in_lanes: bool) -> tuple[int, ...]:
    """Where a test stands: those of long builds last, and in lanes those first that take longest."""
    names = list(NEEDS)
    name = item.path.name
    last = names.index(name) if name in names else -1
    if not in_lanes:
        return (last,)
    boots = any(item.iter_markers("vm")) or any(item.iter_markers("appliance"))
    return (_group(item) != _SHARED, last, not boots, not any(item.iter_markers("libvirt")))


# Before pytest-xdist looks for the groups.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Function]) -> None:
    """Put the tests in their order, and say which of them stay together."""
    in_lanes = hasattr(config, "workerinput")
    items.sort(key=lambda item: _place(item, in_lanes))
    if in_lanes:
        for item in items:
            item.add_marker(pytest.mark.xdist_group(_group(item)))


def _start(nodeids: Iterable[str]) -> None:
    """Start the long builds before the first test of all, those that tests were asked for."""
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
