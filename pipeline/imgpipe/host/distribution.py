"""The distribution at hand: its packages for imgpipe, which are data in `host/packages`, and how they are installed."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from imgpipe.adapters.process import is_installed
from imgpipe.os_release import fields_of

Family = Literal["debian", "ubuntu", "el", "openeuler", "unknown"]

OS_RELEASE = Path("/etc/os-release")
_LISTS = Path(__file__).parent / "packages"
_SYSTEMS = Path(__file__).parent / "distributions"
SCRIPT = Path(__file__).parent / "setup.sh"
"""What installs the packages and starts the services."""

_LAST_NUMBER = re.compile(r"\d+$")
_TRIED = "# Tried on:"
# What is needed, as the families call it; a family's own is the one that its list has.
_CALLED: dict[str, tuple[str, ...]] = {
    "qemu": ("qemu-system-x86", "qemu-kvm", "qemu"),
    "qemu-img": ("qemu-utils", "qemu-img"),
    "libvirt": (
        *("libvirt-daemon-system", "libvirt"),
        *("libvirt-daemon-driver-qemu", "libvirt-daemon-driver-storage-core", "libvirt-daemon-driver-network"),
    ),
    "virsh": ("libvirt-clients", "libvirt-client"),
    "firmware": ("ovmf", "edk2-ovmf"),
    "tpm": ("swtpm", "swtpm-tools"),
    "guestfs": ("python3-guestfs", "python3-libguestfs"),
    "guestfs-xfs": ("libguestfs-xfs",),
}
_KERNELS = {"debian": "linux-image-cloud-amd64", "ubuntu": "linux-image-virtual"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A package, and what it is for; packages/README.md says what groups there are.

    `package` may have alternatives: 'a+b|c' is a and b together, or c.
    """

    group: str
    package: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """What this host runs: `release` is '12', '24.04', '9'; `codename` is empty where there is none."""

    family: Family
    title: str
    release: str
    codename: str = ""

    def wanted(self) -> tuple[Wanted, ...]:
        """Return the packages that imgpipe needs here, those of its tests included; none for an unknown family."""
        found = []
        for line in self._lines():
            if not line.strip() or line.startswith("#"):
                continue
            group, named, reason = line.split(maxsplit=2)
            package, _, only = named.partition("@")
            if not only or self.release in only.split(","):
                found.append(Wanted(group=group, package=package, reason=reason.strip()))
        return tuple(found)

    def used(self) -> tuple[Wanted, ...]:
        """Return the packages that a running imgpipe uses: neither those of tests nor the Python that it runs on."""
        return tuple(one for one in self.wanted() if one.group not in ("test", "python"))

    def tried(self) -> bool:
        """Say whether the list of packages was tried on this very release."""
        words = [line.removeprefix(_TRIED).split() for line in self._lines() if line.startswith(_TRIED)]
        return any(self.release in releases for releases in words)

    def install(self, *needs: str) -> tuple[str, ...]:
        """Return the command that installs what is needed ('firmware', 'tpm'); none for an unknown family.

        Where a family's distributions call a package differently, dnf is given all its names, and to pass over those
        that it does not know.
        """
        known = {re.split(r"[|+]", wanted.package)[0]: wanted.package for wanted in self.wanted()}
        packages = [name for need in needs for name in _CALLED[need] if name in known]
        if not packages:
            return ()
        if self.family in ("el", "openeuler") and any(re.search(r"[|+]", known[name]) for name in packages):
            names = dict.fromkeys(each for name in packages for each in re.split(r"[|+]", known[name]))
            return (self.install_packages("--setopt=strict=0", *names),)
        backports = {wanted.package for wanted in self.wanted() if wanted.group == "backports"}
        newer = self.codename == "bookworm" and bool(backports & set(packages))
        return (self.install_packages(*packages, target="bookworm-backports" if newer else ""),)

    def install_packages(self, *packages: str, target: str = "") -> str:
        """Return the command that installs packages by name; `target` is the suite that apt prefers."""
        if self.family in ("debian", "ubuntu"):
            return " ".join(("apt-get install", *(("-t", target) if target else ()), *packages))
        return " ".join(("dnf install", *packages))

    def newer_qemu(self) -> tuple[str, ...]:
        """Return the command that brings newer QEMU and libvirt: backports, an update, or the system's next release."""
        if self.codename == "bookworm":
            return self.install("qemu", "qemu-img", "libvirt")
        match self.family:
            case "ubuntu":
                return ("do-release-upgrade",)
            case "el" | "openeuler":
                # The packages of those that share a family's list are called 'qemu' or 'qemu-kvm'.
                return ("dnf upgrade 'qemu*' 'libvirt*'",)
        return ()

    def kernel(self) -> tuple[str, ...]:
        """Return the command that installs a kernel for libguestfs, where the host has none of its own."""
        if self.family == "unknown":
            return ()
        return (self.install_packages(_KERNELS.get(self.family, "kernel")),)

    def _lines(self) -> list[str]:
        path = _LISTS / self.family
        return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []


def this_host(path: Path = OS_RELEASE, programs: Callable[[str], bool] = is_installed) -> Distribution:
    """Read os-release(5); `programs` says whether this host has a program."""
    fields = _fields(path)
    family, release = _system(fields, programs)
    return Distribution(
        family=family,
        title=fields.get("PRETTY_NAME") or "an unknown system",
        release=release,
        codename=fields.get("VERSION_CODENAME", ""),
    )


def _system(fields: dict[str, str], programs: Callable[[str], bool]) -> tuple[Family, str]:
    """Return family and release by the table in `distributions`, which setup.sh reads too."""
    names = " ".join(fields.get(name, "") for name in ("ID", "ID_LIKE", "PLATFORM_ID")).lower().split()
    full = fields.get("VERSION_ID", "")
    for line in _SYSTEMS.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        word, family, kind, needs = line.split()
        if word not in names:
            continue
        if needs != "-" and not programs(needs):
            break
        return cast("Family", family), _release(kind, full, fields.get("PLATFORM_ID", ""))
    return "unknown", full


def _release(kind: str, full: str, platform: str) -> str:
    """Return the release by what the table says of it: 'full', 'major', 'platform' or the release itself."""
    if kind.isdigit():
        return kind
    number = _LAST_NUMBER.search(platform) if kind == "platform" else None
    return full if kind == "full" else number[0] if number else full.partition(".")[0]


def _fields(path: Path) -> dict[str, str]:
    try:
        return fields_of(path.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return {}
