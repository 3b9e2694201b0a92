"""What a log that was cut in its middle must still show, at the very end: each failure in a line, how the host fared.

Failures under load are often the host's: too little memory or room, a daemon that ended. It is looked at all the time,
because afterwards nothing of it can be seen.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest

from command import command_lines

_SECONDS = 2.0
_LONGEST = 300
_DAEMONS = frozenset(["libvirtd", "virtqemud", "virtlogd"])
_STAMP = re.compile(r"\[ *(\d+\.\d+)\]")
_KILLED = ("killed process", "segfault", "trap ", "out of memory")


def _memory_left() -> int:
    """Return MiB that programs could still have."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("MemAvailable:"))


def _daemons() -> frozenset[str]:
    """Return the host's own daemons of libvirt; those of tests are no '--daemon'."""
    found = ((words[0].rpartition("/")[2], pid) for pid, words in command_lines() if "--daemon" in words)
    return frozenset(f"{name} {pid}" for name, pid in found if name in _DAEMONS)


class HostWatch(threading.Thread):
    """Looks at the host until it is told to stop; `told` says what it saw."""

    def __init__(self) -> None:
        super().__init__(name="host watch", daemon=True)
        self._over = threading.Event()
        self._began = time.monotonic()
        self._memory = _memory_left()
        self._room = shutil.disk_usage(tempfile.gettempdir()).free
        self._load = 0.0
        self._late = 0.0
        self._daemons: frozenset[str] = frozenset()
        self._events: list[str] = []

    def run(self) -> None:
        while not self._over.is_set():
            before = time.monotonic()
            self._over.wait(_SECONDS)
            self._look(time.monotonic() - before - _SECONDS)

    def stop(self) -> None:
        self._over.set()
        self.join()

    @property
    def seconds(self) -> float:
        """Return for how long it has been looking."""
        return time.monotonic() - self._began

    def told(self) -> list[str]:
        """Return sentences on the least memory and room, the highest load, and the daemons that came and went."""
        least = f"least memory left {self._memory} MiB, least room left {self._room // 2**20} MiB"
        most = f"highest load {self._load:.1f}, longest halt of this watch {self._late:.1f} s"
        return [f"{least}; {most}", *self._events[-40:]]

    def _look(self, late: float) -> None:
        self._late = max(self._late, late)
        self._memory = min(self._memory, _memory_left())
        self._room = min(self._room, shutil.disk_usage(tempfile.gettempdir()).free)
        self._load = max(self._load, os.getloadavg()[0])
        daemons = _daemons()
        at = f"after {self.seconds:.0f} s"
        self._events += [f"{name} came {at}" for name in sorted(daemons - self._daemons)]
        self._events += [f"{name} went {at}" for name in sorted(self._daemons - daemons)]
        self._daemons = daemons


def _kernels_words(seconds: float) -> list[str]:
    """Return what the kernel said of programs that it ended in the last seconds; nothing where its log is closed."""
    done = subprocess.run(["dmesg"], capture_output=True, text=True, errors="replace", check=False)
    since = time.clock_gettime(time.CLOCK_BOOTTIME) - seconds
    told = [line for line in done.stdout.splitlines() if any(word in line.lower() for word in _KILLED)]
    return [line for line in told if (at := _STAMP.match(line)) and float(at[1]) > since][-10:]


class LastWords:
    """Prints the failures, and what the host saw, after all that pytest prints."""

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self._terminal = terminal
        self._failures: list[str] = []
        self._watch = HostWatch()

    def pytest_sessionstart(self) -> None:
        self._watch.start()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if not report.failed:
            return
        crash = getattr(report.longrepr, "reprcrash", None)
        reason = crash.message if crash else str(report.longrepr)
        lines = [line.strip() for line in reason.splitlines() if line.strip()]
        told = f"{report.nodeid} ({report.when}): {' | '.join(lines)[:_LONGEST]}"
        self._failures.append(f"after {self._watch.seconds:.0f} s {told}")

    def pytest_unconfigure(self) -> None:
        self._watch.stop()
        if self._failures:
            for line in ("", *self._failures, *self._watch.told(), *_kernels_words(self._watch.seconds)):
                self._terminal.write_line(line)


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Watch where all tests are run: in lanes, in the process that gives the tests out."""
    if getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput"):
        terminal = config.pluginmanager.get_plugin("terminalreporter")
        config.pluginmanager.register(LastWords(terminal), "last words")
