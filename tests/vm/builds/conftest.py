"""The long builds: they run one after the other beside all tests that need an image, and are looked at behind them."""

import shutil
import threading
from pathlib import Path

import pytest

from command import Command, wait_until_gone

LONG = ("test_rehearsal.py", "test_debian.py")
BUILDS = {
    "debian": ("debian13-2c2g6g",),
    "rocky": ("rocky9-4c2g15g", "--media", "stand-in"),
    "static-lvm": (str(Path(__file__).with_name("static-lvm.toml")), "--media", "stand-in"),
}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Put the tests of long builds behind the last one that works with images."""
    late = [item for item in items if is_long(item)]
    rest = [item for item in items if not is_long(item)]
    last = max((place for place, item in enumerate(rest) if item.path.parent.name in {"builds", "deploy"}), default=-1)
    items[:] = [*rest[: last + 1], *late, *rest[last + 1 :]]


def is_long(item):
    return item.path.name in LONG


class Queue:
    """Builds by name, one after the other; each can be waited for."""

    def __init__(self, root, builds):
        self._root = root
        self._builds = builds
        self._begun = {name: threading.Event() for name in builds}
        self._commands = {}
        self._stopped = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def succeed(self, name):
        self._begun[name].wait()
        return self._commands[name].succeed()

    def end(self):
        self._stopped = True
        for command in list(self._commands.values()):
            command.end()
        self._thread.join(120)

    def _run(self):
        for name, arguments in self._builds.items():
            if self._stopped:
                return
            self._commands[name] = Command(self._root, "build", *arguments, "--json")
            self._begun[name].set()
            self._commands[name].wait()


@pytest.fixture(scope="session")
def queue(request, data):
    """The long builds, which are started before all others; None where no test of them was asked for."""
    if not any(map(is_long, request.session.items)):
        yield None
        return
    # In a data root of its own, so that tests can say when no machine of theirs is left; media are shared.
    own = data.with_name(f"{data.name}-long")
    for name in ("work", "images"):
        shutil.rmtree(own / name, ignore_errors=True)
    own.mkdir(exist_ok=True)
    (data / "cache").mkdir(exist_ok=True)
    if not (own / "cache").is_symlink():
        (own / "cache").symlink_to(data / "cache")
    builds = Queue(own, BUILDS)
    yield builds
    builds.end()
    wait_until_gone(own)


@pytest.fixture(scope="session", autouse=True)
def _started(queue):
    """Start the queue with the first build of any test."""
