"""What is installed on this host: versions of QEMU and libvirt, and packages, without asking any daemon."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from imgpipe.adapters import process
from imgpipe.errors import HostError
from imgpipe.host.distribution import Family

# Where Enterprise Linux keeps QEMU, off PATH.
_QEMU = ("qemu-system-x86_64", "/usr/libexec/qemu-kvm", "qemu-kvm")
_DAEMONS = ("libvirtd", "virtqemud")
_VERSION = re.compile(r"\b(\d+)\.(\d+)\.(\d+)")


def qemu_program() -> Path | None:
    """Return the QEMU that libvirt would run for x86-64; None where none is installed."""
    return next((Path(found) for name in _QEMU if (found := shutil.which(name))), None)


def daemon_program() -> str:
    """Return which daemon serves QEMU here; empty where none is installed."""
    return next((name for name in _DAEMONS if process.is_installed(name)), "")


def versions() -> dict[str, str]:
    """Return the versions of libvirt's daemon and of QEMU, as far as they are installed."""
    programs = {"libvirt": daemon_program(), "qemu": os.fspath(qemu_program() or "")}
    found = ((name, _version(program)) for name, program in programs.items() if program)
    return {name: version for name, version in found if version}


def missing_packages(family: Family, packages: Iterable[str]) -> tuple[str, ...]:
    """Return those packages that are not installed; none where the family's package manager cannot be asked.

    A package may have alternatives, as `Wanted` has them: 'a+b|c' is there where a and b are, or c.
    """
    wanted = {package: [one.split("+") for one in package.split("|")] for package in packages}
    if family in ("debian", "ubuntu") and process.is_installed("dpkg-query"):
        there = _debian_packages()
        return tuple(name for name, ways in wanted.items() if not any(there.issuperset(way) for way in ways))
    if family in ("el", "openeuler") and process.is_installed("rpm"):
        return tuple(name for name, ways in wanted.items() if not any(all(map(_rpm_provides, way)) for way in ways))
    return ()


def _version(program: str) -> str:
    try:
        match = _VERSION.search(process.run(program, "--version", timeout_s=20))
    except HostError:
        return ""
    return ".".join(match.groups()) if match else ""


def _debian_packages() -> set[str]:
    """Ask for all packages at once: dpkg-query fails if it does not know one of those it is asked for."""
    lines = process.run("dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\\n").splitlines()
    return {line.split()[0] for line in lines if line.endswith(" installed")}


def _rpm_provides(name: str) -> bool:
    try:
        process.run("rpm", "-q", "--quiet", "--whatprovides", name, timeout_s=60)
    except HostError:
        return False
    return True
