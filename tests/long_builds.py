"""The long builds of the tests: they run one after the other beside all other tests, which are looked at first.

Emulated machines keep one core busy each most of the time, and so do the other tests: together they fill two.
"""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import windows_builds
from command import DATA, Command
from imgpipe_debian.archive import MIRROR_TORN

# Bounds the wait for a build; beside other guests on two cores Debian takes half an hour.
LONGEST_S = 7200
LONG = DATA.with_name(f"{DATA.name}-long")
"""The data root of the builds that end with an image."""
FAULTY = DATA.with_name(f"{DATA.name}-faulty")
"""The data root of those that must not."""

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
FAULTS = {
    # This one only waits, so it is started first, and what follows runs beside it.
    "silent": r"silent|idle|nothing|activity|stands still",
    "question": r"waits|asks|question|selection",
    "pane-dead": r"died|dead",
    "poweroff": r"without|proof|switched",
    "panic": r"panic",
    # rd.emergency=poweroff, as imgpipe boots installers, makes a power-off of the emergency shell.
    "emergency": r"emergency|switched itself off",
    "storage": r"storage|lay out the disk|space",
    "package": r"package",
    "script": r"script",
    "ks-missing": r"kickstart|waits for a device",
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
BUILDS = {
    "debian": Wanted(recipe="debian13-2c2g6g"),
    "rocky": Wanted(recipe="rocky9-4c2g15g", arguments=_STAND_IN),
    "static-lvm": Wanted(recipe=_STATIC_LVM.read_text(), arguments=_STAND_IN),
    **{fault: Wanted(recipe=_FAULT.format(fault=fault), root=FAULTY, alone=fault != "silent") for fault in FAULTS},
    **{
        f"windows-{firmware}": Wanted(
            recipe=windows_builds.RECIPE + shape,
            arguments=_STAND_IN,
            env={"IMGPIPE_ROOT_PASSWORD": windows_builds.PASSWORD},
        )
        for firmware, shape in windows_builds.SHAPES.items()
    },
}
NEEDS = {
    "test_rehearsal.py": ("rocky", "static-lvm"),
    "test_debian.py": ("debian",),
    "test_clones.py": ("debian", "static-lvm"),
    "test_windows_builds.py": ("windows-bios", "windows-uefi"),
    "test_faults.py": tuple(FAULTS),
}
"""Which builds the tests of a file look at."""


class Queue:
    """Builds by name, one after the other; each can be waited for."""

    root = LONG

    def __init__(self, names: Iterable[str]) -> None:
        self._names = [name for name in BUILDS if name in set(names)]
        self._started = {name: threading.Event() for name in self._names}
        self._commands: dict[str, Command] = {}
        self._stopped = False
        for root in {BUILDS[name].root for name in self._names}:
            _make_root(root)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def ended(self, name: str) -> Command:
        """Wait for a build's end, however it ends."""
        assert self._started[name].wait(LONGEST_S), f"the build of {name} did not start"
        self._commands[name].wait()
        return self._commands[name]

    def succeed(self, name: str) -> Command:
        """Wait for a build's success; what a Debian mirror in the middle of an update makes impossible is skipped."""
        command = self.ended(name)
        if MIRROR_TORN in command.stderr:
            pytest.skip(MIRROR_TORN)
        return command.succeed()

    def end(self) -> None:
        """End what still runs, as after Ctrl-C."""
        self._stopped = True
        for command in list(self._commands.values()):
            command.end()
        self._thread.join(120)

    def _run(self) -> None:
        for name in self._names:
            if self._stopped:
                return
            wanted = BUILDS[name]
            recipe = wanted.recipe
            if "\n" in recipe:
                path = wanted.root / f"{name}.toml"
                path.write_text(recipe)
                recipe = str(path)
            command = Command(wanted.root, "build", recipe, *wanted.arguments, "--json", env=dict(wanted.env))
            self._commands[name] = command
            self._started[name].set()
            if wanted.alone:
                with suppress(subprocess.TimeoutExpired):
                    command.wait()


def _make_root(root: Path) -> None:
    """Make a data root of its own, so that tests can say when no machine of theirs is left; media are shared."""
    for name in ("work", "images"):
        shutil.rmtree(root / name, ignore_errors=True)
    root.mkdir(parents=True, exist_ok=True)
    (DATA / "cache").mkdir(parents=True, exist_ok=True)
    if not (root / "cache").is_symlink():
        (root / "cache").symlink_to(DATA / "cache")
