"""The software: the root file system, unpacked from the medium, told as Anaconda tells of packages."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .answers import Kickstart
from .console import Console
from .errors import InstallError
from .programs import SYSROOT

_PAYLOAD = Path("/run/install/repo/images/rootfs.tar.zst")
_FACTS = Path("/usr/share/imgpipe-standin")
# A name that no distribution has: the way to see how a wrong package name is met.
_WRONG = "no-such-"
_IGNORE_MISSING = 1
_CHECKPOINT = re.compile(r"tar: (\d+)")
_RECORD = 10240
_RECORDS = 200


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
    """Unpack the root file system; `at` is told the part that is done, from 0 to 1, whenever it has grown."""
    everything = packages()
    total = int((_FACTS / "size").read_text())
    told = 0
    for done in _unpack(total):
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


def _unpack(total: int) -> Iterator[float]:
    """Unpack the root file system into the target, yielding the part that is done.

    Every change of a file's mode, owner or time is a transaction of the file system, dear in an emulated
    guest: all files are created as root's with their plain modes, and the few others are mended afterwards.
    """
    reader = subprocess.Popen(["zstd", "--decompress", "--stdout", "--quiet", _PAYLOAD], stdout=subprocess.PIPE)
    writer = subprocess.Popen(
        [
            *("tar", "--extract", "--file=-", "--no-same-owner", "--no-same-permissions", "--touch"),
            *("--keep-directory-symlink", f"--directory={SYSROOT}"),
            *(f"--checkpoint={_RECORDS}", "--checkpoint-action=echo=%u"),
        ],
        stdin=reader.stdout,
        stderr=subprocess.PIPE,
        text=True,
        umask=0,
    )
    last = ""
    for line in writer.stderr or ():
        last = line.strip()
        if found := _CHECKPOINT.fullmatch(last):
            yield min(int(found[1]) * _RECORD / total, 0.999)
    if writer.wait() != 0 or reader.wait() != 0:
        raise InstallError(f"The following error occurred while installing the payload:\n{last}")
    _mend()
    yield 1.0


def _mend() -> None:
    """Give the files that are not plain ones of root's their owners and modes."""
    for line in (_FACTS / "special").read_text().splitlines():
        mode, owner, name = line.split(" ", 2)
        user, group = owner.split(":")
        os.chown(SYSROOT / name, int(user), int(group))
        (SYSROOT / name).chmod(int(mode, 8))
    # What systemd does once after /usr has changed was done when the root file system was made.
    for folder in ("etc", "var"):
        (SYSROOT / folder / ".updated").touch()
