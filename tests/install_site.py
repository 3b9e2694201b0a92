"""What the tests of real installs share: a site with a daemon of its own, and an observer beside it."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import private_libvirt
import tiny_guest
from imgpipe.adapters.hypervisor import connect
from imgpipe.artifacts import InstalledDisk
from imgpipe.events import Event
from imgpipe.sizes import MIB
from imgpipe.stages.install import install_patiently
from imgpipe.store import Store
from imgpipe.watch.silence import Patience, patience
from imgpipe.workplace import Workplace
from private_libvirt import PrivateLibvirt
from tiny_plan import tiny_medium, tiny_plan, tiny_seed

LACKING = private_libvirt.lacking() or tiny_guest.lacking()
BOUND_SECONDS = 60
"""Bounds the time from the line that shows a failure to the end of the build.

It takes less than ten seconds on a host that is not busy; here others use its cores.
"""


class Site:
    """A store, a daemon and a listener of one test."""

    def __init__(self, daemon: PrivateLibvirt, folder: Path) -> None:
        self.daemon = daemon
        self.folder = folder
        self.heard: list[Event] = []
        self.store = Store(folder / "data")
        self.patience = replace(patience("tcg"), idle_s=20)

    def install(self, act: str, *, disk: int = 64 * MIB, patience: Patience | None = None) -> InstalledDisk:
        hypervisor = connect(self.daemon.uri, self.heard.append)
        place = Workplace(store=self.store, hypervisor=hypervisor, notify=self.heard.append)
        plan = tiny_plan(act, disk=disk)
        seed = tiny_seed(self.folder, act)
        try:
            return install_patiently(plan, tiny_medium(self.folder), seed, place, patience or self.patience)
        finally:
            hypervisor.close()

    def work(self, act: str, disk: int = 64 * MIB) -> Path:
        return self.store.work(tiny_plan(act, disk=disk).install_key("0" * 64))

    def assert_nothing_is_left(self, act: str, disk: int = 64 * MIB) -> None:
        names = {path.name for path in self.work(act, disk).iterdir()}
        assert not {"installed.qcow2", "installed.qcow2.partial"} & names
        assert self.daemon.machines() == []


class FirstSeen(threading.Thread):
    """Notes when a text first shows in a file, as an observer of its own."""

    def __init__(self, path: Path, text: bytes) -> None:
        super().__init__(daemon=True)
        self._path, self._text = path, text
        self._end = threading.Event()
        self.at: float | None = None

    def run(self) -> None:
        while self.at is None and not self._end.wait(0.05):
            if self._path.is_file() and self._text in self._path.read_bytes():
                self.at = time.monotonic()

    def stop(self) -> None:
        self._end.set()
        self.join()


@pytest.fixture(scope="module")
def daemon() -> Iterator[PrivateLibvirt]:
    with private_libvirt.private_libvirt() as running:
        yield running


@pytest.fixture(autouse=True)
def emulate(monkeypatch: pytest.MonkeyPatch) -> None:
    # What is measured is the project's own work, which an accelerator changes nothing of.
    monkeypatch.setenv("IMGPIPE_ACCELERATOR", os.environ.get("IMGPIPE_ACCELERATOR", "tcg"))


@pytest.fixture
def site(daemon: PrivateLibvirt) -> Iterator[Site]:
    # Not tmp_path, whose parents QEMU's user may not pass through.
    with tempfile.TemporaryDirectory(prefix="lw-", dir=daemon.folder) as name:
        Path(name).chmod(0o755)
        yield Site(daemon, Path(name))
