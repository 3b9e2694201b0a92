"""The long builds of the tests: they run one after the other beside all other tests, and two at a time behind them.

Emulated machines keep one core busy each most of the time, and so do the other tests: together they fill two. Where
the other tests only wait (for a network, a daemon, a guest that boots), a second build takes the core that is idle.
Several processes may run tests: one starts the builds (`Queue`), and each can wait for their ends (`ended`).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pytest

import windows_builds
from command import DATA, IMGPIPE, Told
from imgpipe.host import debian_mirror
from imgpipe.settings import checkout

# Bounds the wait for a build, by the one who looks at it; all tests but those of such builds ran before.
LONGEST_S = 3000
LONGEST_END_S = 120
# The tests are planned for a machine of two.
CORES = 2
# A second build begins where this much of a core had nothing to do for so long.
_IDLE_CORES = 0.5
_LATELY_S = 10.0
LONG = DATA.with_name(f"{DATA.name}-long")
"""The data root of the builds that end with an image."""
FAULTY = DATA.with_name(f"{DATA.name}-faulty")
"""The data root of those that must not."""
_NOTHING_ELSE = LONG / "nothing-else-runs"
"""Is there once tests wait for a build, so that there is room for a second one."""
_RUNS = LONG / "runs"
"""Is locked as long as the process lives that starts the builds."""

_FAULT = """
os = "demo"
[machine]
# One runs beside the silent one and the other tests, and each computes in one thread.
cpus = 1
memory = "1536 MiB"
disk = "4 GiB"
[disk]
swap = 0
boot = "512 MiB"
[install]
kernel_arguments = ["standin.fault={fault}"]
"""
# What the error's first line must say; the exit code is always 4: the guest failed.
_EVERY_FAULT = {
    "silent": r"silent|idle|nothing|activity|stands still",
    "question": r"waits|asks|question|selection",
    "pane-dead": r"died|dead",
    "poweroff": r"without|proof|switched",
    "panic": r"panic",
    # rd.emergency=poweroff, as imgpipe boots installers, makes a power-off of the emergency shell.
    "emergency": r"emergency|switched itself off",
    "storage": r"storage|lay out the disk|space|disk is too small",
    "package": r"package",
    "script": r"script",
    "ks-missing": r"kickstart|waits for a device",
}
_TINY_ONES_TOO = frozenset({"silent", "question", "poweroff", "panic"})
"""Faults that tests/vm/install shows with an installer of three megabytes: here they are shown on request."""
FAULTS = {
    fault: words
    for fault, words in _EVERY_FAULT.items()
    if fault not in _TINY_ONES_TOO or os.environ.get("IMGPIPE_EVERY_FAULT")
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A build: a recipe's name or text, further arguments, and whether the next one waits for its end."""

    recipe: str
    arguments: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    root: Path = LONG
    alone: bool = True


_STAND_IN = ("--media", "stand-in")
_STATIC_LVM = Path(__file__).parent / "vm" / "builds" / "static-lvm.toml"
_FAULTS = {fault: Wanted(recipe=_FAULT.format(fault=fault), root=FAULTY, alone=fault != "silent") for fault in FAULTS}
BUILDS = {
    # It only waits, most of the time: it begins first, and the others run beside it.
    **{name: wanted for name, wanted in _FAULTS.items() if not wanted.alone},
    "debian": Wanted(recipe="debian13-2c2g6g"),
    "rocky": Wanted(recipe="rocky9-4c2g15g", arguments=_STAND_IN),
    "static-lvm": Wanted(recipe=_STATIC_LVM.read_text(), arguments=_STAND_IN),
    **{
        f"windows-{firmware}": Wanted(
            recipe=windows_builds.RECIPE + shape,
            arguments=_STAND_IN,
            env={"IMGPIPE_ROOT_PASSWORD": windows_builds.PASSWORD},
        )
        for firmware, shape in windows_builds.SHAPES.items()
    },
    # The shortest come last, so that both cores have work to the end.
    **_FAULTS,
}
NEEDS = {
    "test_clones.py": ("debian", "static-lvm"),
    "test_debian.py": ("debian",),
    "test_rehearsal.py": ("rocky", "static-lvm"),
    "test_windows_builds.py": ("windows-bios", "windows-uefi"),
    "test_faults.py": tuple(FAULTS),
}
"""Which builds the tests of a file look at, in the order in which they run, behind all others."""


@contextmanager
def making_media() -> Iterator[None]:
    """Let one make the stand-in media at a time: data roots of tests share the folder of media, and not its locks."""
    DATA.mkdir(parents=True, exist_ok=True)
    with (DATA / "making-media").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Ended(Told):
    """A build that ended, with its exit code and what it wrote."""

    def __init__(self, name: str) -> None:
        super().__init__()
        files = _files(name)
        self.code = int(files.code.read_text())
        self.stderr = files.stderr.read_text()
        for line in files.stdout.read_text().splitlines(keepends=True):
            self.hear(line)


class Queue:
    """Starts builds by name, in their order.

    They are started by a process of their own: tests of units replace what a thread of pytest's would need.
    """

    def __init__(self, names: Iterable[str]) -> None:
        wanted = [name for name in BUILDS if name in set(names)]
        for root in {BUILDS[name].root for name in wanted}:
            _make_root(root)
        # Also where all builds are faulty ones: what is told to the other processes lies in it.
        LONG.mkdir(parents=True, exist_ok=True)
        for file in (_NOTHING_ELSE, *(file for name in wanted for file in _files(name))):
            file.unlink(missing_ok=True)
        with _RUNS.open("w") as runs:
            # The process inherits the lock, which ends with it, however it ends.
            fcntl.flock(runs, fcntl.LOCK_EX)
            # In a session of its own, so that all of it can be interrupted together, and only it.
            self._process = subprocess.Popen(
                [sys.executable, __file__, *wanted],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                pass_fds=(runs.fileno(),),
                start_new_session=True,
            )

    def end(self) -> None:
        """End what still runs, as after Ctrl-C."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGINT)
        self._process.wait(LONGEST_END_S)


def ended(name: str) -> Ended:
    """Wait for a build's end, however it ends."""
    end = time.monotonic() + LONGEST_S
    while not _files(name).code.exists():
        _NOTHING_ELSE.touch()
        # Looked at first: it may have ended right behind the last build.
        over = not _are_started()
        assert _files(name).code.exists() or not over, "the process that starts the builds has ended"
        assert time.monotonic() < end, f"the build of {name} does not end"
        time.sleep(0.2)
    return Ended(name)


def succeeded(name: str) -> Ended:
    """Wait for a build's success; what a Debian mirror in the middle of an update makes impossible is skipped."""
    build = ended(name)
    if debian_mirror.TORN in build.stderr:
        pytest.skip(debian_mirror.TORN)
    assert build.code == 0, build.stderr
    return build


def _are_started() -> bool:
    """Whether the process lives that starts the builds."""
    with _RUNS.open() as runs:
        try:
            fcntl.flock(runs, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


class _Files(NamedTuple):
    """Where the end of a build is told; the exit code is written last."""

    stdout: Path
    stderr: Path
    code: Path


def _files(name: str) -> _Files:
    return _Files(*(BUILDS[name].root / f"{name}.{suffix}" for suffix in _Files._fields))


def _build(name: str) -> None:
    """Run a build to its end."""
    wanted, files = BUILDS[name], _files(name)
    recipe = wanted.recipe
    if "\n" in recipe:
        path = wanted.root / f"{name}.toml"
        path.write_text(recipe)
        recipe = str(path)
    env = {**os.environ, "IMGPIPE_HOME": str(wanted.root), **wanted.env}
    with files.stdout.open("w") as stdout, files.stderr.open("w") as stderr:
        argv = [IMGPIPE, "build", recipe, *wanted.arguments, "--json"]
        done = subprocess.run(argv, stdout=stdout, stderr=stderr, env=env, cwd=checkout(), check=False)
    partial = files.code.with_suffix(".partial")
    partial.write_text(str(done.returncode))
    partial.rename(files.code)


class IdleCores:
    """How many cores had nothing to do lately, by the count of the kernel (proc(5), /proc/stat)."""

    def __init__(self, stat: Path = Path("/proc/stat")) -> None:
        self._stat = stat
        self._seen: deque[tuple[float, float]] = deque()

    def observe(self, now: float) -> float:
        """Return their mean number over the last seconds; none before there were enough of them."""
        fields = self._stat.read_text().split("\n", 1)[0].split()
        idle_s = (int(fields[4]) + int(fields[5])) / os.sysconf("SC_CLK_TCK")
        while len(self._seen) > 1 and now - self._seen[1][0] >= _LATELY_S:
            self._seen.popleft()
        self._seen.append((now, idle_s))
        then, before = self._seen[0]
        return (idle_s - before) / (now - then) if now - then >= _LATELY_S else 0.0

    def forget(self) -> None:
        """Begin anew: what was just started had no time to take a core."""
        self._seen.clear()


def _run(names: Iterable[str]) -> None:
    """Run builds one after the other, and two at a time where a core is idle or nothing else runs."""
    with making_media():
        make = [IMGPIPE, "media", "make", "anaconda-stand-in"]
        # A failure is told by the builds, which make it themselves then.
        env = {**os.environ, "IMGPIPE_HOME": str(LONG)}
        subprocess.run(make, stdout=subprocess.DEVNULL, env=env, cwd=checkout(), check=False)
    waiting = deque(names)
    running: list[threading.Thread] = []
    idle = IdleCores()
    # An interruption ends this loop, and the builds that run by themselves.
    while waiting:
        running = [build for build in running if build.is_alive()]
        cores = idle.observe(time.monotonic())
        second = len(running) < CORES and (_NOTHING_ELSE.exists() or cores >= _IDLE_CORES)
        if not running or second:
            build = threading.Thread(target=_build, args=(name := waiting.popleft(),))
            build.start()
            idle.forget()
            if BUILDS[name].alone:
                running.append(build)
        time.sleep(0.2)


def _make_root(root: Path) -> None:
    """Make a data root of its own, so that tests can say when no machine of theirs is left; media are shared."""
    for name in ("work", "images"):
        shutil.rmtree(root / name, ignore_errors=True)
    root.mkdir(parents=True, exist_ok=True)
    (DATA / "cache").mkdir(parents=True, exist_ok=True)
    if not (root / "cache").is_symlink():
        (root / "cache").symlink_to(DATA / "cache")


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        _run(sys.argv[1:])
