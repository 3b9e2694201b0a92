"""The software: the root file system, copied from the medium, told as Anaconda tells of packages."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from .answers import Kickstart
from .console import Console
from .errors import InstallError
from .programs import SYSROOT

_ROOTFS = Path("/run/install/rootfs")
_FACTS = Path("/usr/share/imgpipe-standin")
# A name that no distribution has: the way to see how a wrong package name is met.
_WRONG = "no-such-"
_IGNORE_MISSING = 1
_ERRORS = Path("/tmp/payload.log")  # noqa: S108 (Anaconda's place; the machine has no other users)
# Copied apart, or mounted.
_OTHERS = frozenset(("usr", "dev", "proc", "run", "sys"))
_LOOK_S = 0.5


@dataclass(frozen=True, kw_only=True)
class Package:
    """A package of the root file system."""

    name: str
    arch: str
    version: str

    @property
    def full_name(self) -> str:
        """The name as a package manager shows it."""
        return f"{self.name}-{self.version}.{self.arch}"


def packages() -> tuple[Package, ...]:
    """Return what the root file system is made of."""
    lines = (_FACTS / "packages").read_text().splitlines()
    return tuple(
        Package(name=name, arch=arch, version=version) for name, arch, version in (line.split() for line in lines)
    )


def check_selection(kickstart: Kickstart, console: Console) -> None:
    """Compare %packages with what there is; the root file system is the same whatever is asked."""
    asked = kickstart.packages
    present = {package.name for package in packages()}
    taken = [group.name for group in asked.groupList]
    if asked.environment:
        taken.insert(0, asked.environment)
    for name in taken:
        console.log(f"group or environment '{name}': taken as the stand-in's root file system")
    absent = [name for name in asked.packageList if name not in present]
    wrong = [name for name in absent if name.startswith(_WRONG)]
    if wrong and asked.handleMissing != _IGNORE_MISSING:
        listed = "\n".join(wrong)
        raise InstallError(
            "Some packages, groups or modules are missing.\n"
            f"The following packages are missing: \n{listed}\n"
            "Would you like to ignore this and continue with installation?"
        )
    for name in absent:
        console.log(f"package '{name}': not part of the stand-in, ignored", level="WARN")
    for name in (*asked.excludedList, *(group.name for group in asked.excludedGroupList)):
        console.log(f"package or group '{name}': excluded" + (", yet part of the root" if name in present else ""))


def install(console: Console, at: Callable[[float], None]) -> None:
    """Copy the root file system; `at` is told the part that is done, from 0 to 1, whenever it has grown."""
    everything = packages()
    total = int((_FACTS / "size").read_text())
    told = 0
    for done in _copy(total):
        at(done)
        reached = min(int(done * len(everything)), len(everything))
        for number in range(told + 1, reached + 1):
            package = everything[number - 1]
            console.say(f"Installing {package.name}.{package.arch} ({number}/{len(everything)})")
        told = max(told, reached)


def verify(console: Console) -> None:
    """Look at every package's record in the target, as the transaction's last pass."""
    everything = packages()
    status = (SYSROOT / "var/lib/dpkg/status").read_text(errors="replace")
    installed = set(re.findall(r"^Package: (\S+)$", status, re.MULTILINE))
    for number, package in enumerate(everything, start=1):
        if package.name not in installed:
            raise InstallError(
                f"The following error occurred while installing the payload: {package.name} is not there"
            )
        console.say(f"Verifying {package.name}.{package.arch} ({number}/{len(everything)})")


def _copy(total: int) -> Iterator[float]:
    """Copy the root file system into the target, yielding the part that is done.

    In two halves of about one size, each with a processor of its own.
    """
    (SYSROOT / "usr").mkdir(exist_ok=True)
    outer = [path for path in _ROOTFS.iterdir() if path.name not in _OTHERS]
    inner = [path for path in (_ROOTFS / "usr").iterdir() if path.name != "lib"]
    free = _free()
    with _ERRORS.open("w+") as errors:
        copies = [
            _start_copy((_ROOTFS / "usr" / "lib",), SYSROOT / "usr", errors),
            _start_copy(outer, SYSROOT, errors),
            _start_copy(inner, SYSROOT / "usr", errors),
        ]
        while any(copy.poll() is None for copy in copies):
            time.sleep(_LOOK_S)
            yield min((free - _free()) / total, 0.999)
        if any(copy.returncode for copy in copies):
            errors.seek(0)
            raise InstallError(f"The following error occurred while installing the payload:\n{errors.read()[-800:]}")
    yield 1.0


def _start_copy(sources: Sequence[Path], place: Path, errors: IO[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["cp", "--archive", *sources, f"--target-directory={place}"], stderr=errors)


def _free() -> int:
    room = os.statvfs(SYSROOT)
    return room.f_bfree * room.f_frsize
