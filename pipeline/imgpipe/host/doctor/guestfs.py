"""libguestfs: whether the offline editor has its Python binding, a kernel that it can read, and XFS."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from imgpipe.adapters import process
from imgpipe.adapters.guest import PythonTooOldError, guestfs_python
from imgpipe.errors import HostError
from imgpipe.host.distribution import Distribution
from imgpipe.host.doctor.finding import Finding

BOOT = Path("/boot")
MODULES = Path("/lib/modules")
# What the appliance gets NTFS from: libguestfs' package lists name the program, and Enterprise Linux has a part of its
# own for the appliance, because the program is not among its packages.
NTFS = "ntfs-3g"
WINSUPPORT = "libguestfs-winsupport"
_SUPERMIN = tuple(Path(folder, "guestfs", "supermin.d") for folder in ("/usr/lib/x86_64-linux-gnu", "/usr/lib64"))
# Enterprise Linux 10 makes XFS with nrext64, unless told not to; older kernels do not mount it.
_READS_NEW_XFS = (5, 19)


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelFile:
    """A kernel in /boot; the appliance takes one that has modules."""

    path: Path
    release: str
    readable: bool
    has_modules: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EditorFacts:
    """What libguestfs would work with; `python` is empty where none can import its binding, or only `too_old` ones."""

    python: str
    kernels: tuple[KernelFile, ...]
    has_xfs: bool
    has_ntfs: bool = True
    too_old: str = ""


def gather(boot: Path = BOOT, modules: Path = MODULES, supermin: Iterable[Path] = _SUPERMIN) -> EditorFacts:
    """Look at /boot, the modules and the appliance's parts, and try to import the binding."""
    python = too_old = ""
    try:
        python = guestfs_python()
    except PythonTooOldError as error:
        too_old = f"{error} {error.hint}"
    except HostError:
        pass
    found = (path for path in sorted(boot.glob("vmlinuz-*")) if path.is_file() and "rescue" not in path.name)
    kernels = (_kernel(path, modules) for path in found)
    parts = [name for folder in supermin if folder.is_dir() for name in os.listdir(folder)]  # noqa: PTH208
    # An appliance without a list of packages is a fixed one, which has all.
    has_xfs = not parts or any("xfs" in name for name in parts)
    has_ntfs = not parts or process.is_installed(NTFS) or any("winsupport" in name for name in parts)
    return EditorFacts(python=python, kernels=tuple(kernels), has_xfs=has_xfs, has_ntfs=has_ntfs, too_old=too_old)


def judge(facts: EditorFacts, distribution: Distribution) -> Iterator[Finding]:
    """Say whether disks can be edited."""
    if facts.python:
        yield Finding(name="libguestfs", state="ok", meaning=f"'{facts.python}' has its binding.")
    elif facts.too_old:
        yield Finding(name="libguestfs", state="fail", meaning=facts.too_old)
    else:
        yield Finding(
            name="libguestfs",
            state="fail",
            meaning="No Python here can import 'guestfs': disks cannot be sealed.",
            commands=distribution.install("guestfs"),
        )
    yield _kernels(facts, distribution)
    if not facts.has_xfs:
        yield Finding(
            name="XFS",
            state="fail",
            meaning="libguestfs' appliance has no XFS: most guests' disks cannot be read.",
            commands=distribution.install("guestfs-xfs"),
        )


def judge_ntfs(facts: EditorFacts, distribution: Distribution) -> Iterator[Finding]:
    """Say what keeps a Windows disk from being read; nothing where nothing does."""
    if facts.has_ntfs:
        return
    package = WINSUPPORT if distribution.family == "el" else NTFS
    yield Finding(
        name="NTFS",
        state="fail" if distribution.family in ("debian", "ubuntu", "el") else "warn",
        meaning=f"'{package}' is not installed, so libguestfs' appliance cannot read the disks of Windows.",
        commands=() if distribution.family == "unknown" else (distribution.install_packages(package),),
    )


def launched(kernel: str, filesystems: tuple[str, ...], distribution: Distribution) -> Iterator[Finding]:
    """Say what an appliance that was really launched can do."""
    able = ", ".join(filesystems) or "nothing"
    yield Finding(
        name="libguestfs launch", state="ok", meaning=f"The appliance boots Linux {kernel} and mounts {able}."
    )
    if "xfs" not in filesystems:
        yield Finding(
            name="XFS",
            state="fail",
            meaning="The appliance cannot mount XFS: most guests' disks cannot be read.",
            commands=distribution.install("guestfs-xfs"),
        )


def _kernels(facts: EditorFacts, distribution: Distribution) -> Finding:
    usable = [kernel for kernel in facts.kernels if kernel.has_modules]
    if not usable:
        return Finding(
            name="appliance kernel",
            state="fail",
            meaning="There is no kernel in '/boot' with its modules, and libguestfs boots one of the host's.",
            commands=distribution.kernel(),
        )
    # supermin takes the newest, and fails if it may not read that.
    newest = max(usable, key=lambda kernel: _release(kernel.release))
    if not newest.readable:
        stays = distribution.family in ("debian", "ubuntu")
        override = f"dpkg-statoverride --update --add root root 0644 {newest.path}"
        return Finding(
            name="appliance kernel",
            state="fail",
            meaning=f"'{newest.path}' may not be read by you, and libguestfs boots it.",
            commands=(override if stays else f"chmod 0644 {newest.path}",),
        )
    if _release(newest.release)[:2] < _READS_NEW_XFS:
        return Finding(
            name="appliance kernel",
            state="warn",
            meaning=f"libguestfs boots Linux {newest.release}, which cannot mount XFS with nrext64 (that needs 5.19): "
            "imgpipe's own answer files do without, but Enterprise Linux 10 installed otherwise cannot be imported.",
        )
    return Finding(name="appliance kernel", state="ok", meaning=f"libguestfs boots Linux {newest.release}.")


def _kernel(path: Path, modules: Path) -> KernelFile:
    release = path.name.removeprefix("vmlinuz-")
    return KernelFile(
        path=path,
        release=release,
        readable=os.access(path, os.R_OK),
        has_modules=(modules / release).is_dir(),
    )


def _release(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text))
