"""The long builds: they run one after the other beside all other tests, and are looked at behind those of images."""

import shutil
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from command import DATA, Command

# Bounds the wait for a build; beside other guests on two cores Debian takes most of an hour.
LONGEST_S = 7200
LONG = ("test_rehearsal.py", "test_debian.py", "test_clones.py")
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
    """Builds by name, one after the other, in the data root `root`; each can be waited for."""

    def __init__(self, root, builds):
        self.root = root
        self._builds = builds
        self._ended = {name: threading.Event() for name in builds}
        self._commands = {}
        self._stopped = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def succeed(self, name):
        assert self._ended[name].wait(LONGEST_S), f"the build of {name} did not end"
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
            self._commands[name] = Command(self.root, "build", *arguments, "--json")
            with suppress(subprocess.TimeoutExpired):
                self._commands[name].wait()
            self._ended[name].set()


_queues: list[Queue] = []


def pytest_collection_finish(session):
    """Start the long builds before the first test of all, if a test of them was asked for."""
    if session.config.option.collectonly or not any(map(is_long, session.items)):
        return
    # In a data root of its own, so that tests can say when no machine of theirs is left; media are shared.
    own = DATA.with_name(f"{DATA.name}-long")
    for name in ("work", "images"):
        shutil.rmtree(own / name, ignore_errors=True)
    own.mkdir(parents=True, exist_ok=True)
    (DATA / "cache").mkdir(parents=True, exist_ok=True)
    if not (own / "cache").is_symlink():
        (own / "cache").symlink_to(DATA / "cache")
    _queues.append(Queue(own, BUILDS))


def pytest_sessionfinish():
    """End what still runs, as after Ctrl-C."""
    for queue in _queues:
        queue.end()


@pytest.fixture(scope="session")
def queue():
    """The long builds, which were started before all tests."""
    return _queues[0]
