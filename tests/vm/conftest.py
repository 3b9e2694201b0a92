"""What the tests that boot guests share: a data root, the stand-in medium, the demo's image, and the long builds."""

import shutil

import pytest

from command import DATA, Command, wait_until_gone
from long_builds import NEEDS, Queue

_queues: list[Queue] = []


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Put the tests of long builds behind all others, and last of all those that only look at what ended."""
    last = list(NEEDS)
    items.sort(key=lambda item: last.index(item.path.name) if item.path.name in NEEDS else -1)


def pytest_collection_finish(session):
    """Start the long builds before the first test of all, those that tests were asked for."""
    names = {name for item in session.items for name in NEEDS.get(item.path.name, ())}
    if names and not session.config.option.collectonly:
        _queues.append(Queue(names))


def pytest_sessionfinish():
    """End what still runs, as after Ctrl-C."""
    for queue in _queues:
        queue.end()


@pytest.fixture(scope="session")
def queue():
    """The long builds, which were started before all tests."""
    return _queues[0]


@pytest.fixture(scope="session")
def data():
    for name in ("work", "images"):
        shutil.rmtree(DATA / name, ignore_errors=True)
    DATA.mkdir(parents=True, exist_ok=True)
    yield DATA
    wait_until_gone(DATA)


@pytest.fixture(scope="session")
def stand_in(data):
    """The path of the stand-in medium, made from packages if it is not there."""
    made = Command(data, "media", "make", "anaconda-stand-in")
    made.succeed()
    return next((data / "cache" / "made").glob("anaconda-stand-in-*.iso"))


@pytest.fixture(scope="session")
def demo(data, stand_in):
    """Two builds of the demo at once: the one that installs, and the one that waits for it."""
    first = Command(data, "build", "demo", "--json", env={"IMGPIPE_ROOT_PASSWORD": "not in any file"})
    first.until("stage_started", stage="install")
    second = Command(data, "build", "demo", "--json", env={"IMGPIPE_ROOT_PASSWORD": "not in any file"})
    return first.succeed(), second.succeed()
