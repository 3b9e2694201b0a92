"""What is installed on this host: versions of QEMU and libvirt, and packages, without asking any daemon."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from imgpipe.adapters import process
from imgpipe.errors import HostError
from imgpipe.host.distribution import Family

# Where Enterprise Linux keeps QEMU, off PATH.
_QEMU = ("qemu-system-x86_64", "/usr/libexec/qemu-kvm", "qemu-kvm")
# libvirt is one daemon, or one for each of its drivers. Those that serve pools, networks, consoles and remote callers
# go with the one of the machines.
_MODULAR = "virtqemud"
_MONOLITHIC = "libvirtd"
_HELPERS = {
    _MODULAR: ("virtstoraged", "virtnetworkd", "virtnwfilterd", "virtlogd", "virtproxyd"),
    _MONOLITHIC: ("virtlogd",),
}
_SYSTEMD = Path("/run/systemd/system")
# A host with ten thousand packages has a list of a megabyte.
_LONGEST_LIST = 4 * 2**20
_VERSION = re.compile(r"\b(\d+)\.(\d+)\.(\d+)")


def qemu_program() -> Path | None:
    """Return the QEMU that libvirt would run for x86-64; None where none is installed."""
    return next((Path(found) for name in _QEMU if (found := process.which(name))), None)


@dataclass(frozen=True, slots=True)
class Daemons:
    """Which of libvirt's daemons serve this host: `program` runs the machines, `helpers` what belongs to it."""

    program: str
    helpers: tuple[str, ...]

    @property
    def sockets(self) -> tuple[str, ...]:
        """The units of systemd that listen for them."""
        return tuple(f"{name}.socket" for name in (self.program, *self.helpers))


def daemons() -> Daemons | None:
    """Return which daemons serve QEMU here; None where none is installed.

    Where both kinds are installed, as Enterprise Linux 10 does with 'dnf install libvirt', systemd's presets enable one
    of them: the modular ones serve unless libvirtd is enabled or runs. Their units exclude each other, so that only one
    may be started. Without systemd the monolithic one is taken, as it needs no other.
    """
    there = [name for name in (_MONOLITHIC, _MODULAR) if process.is_installed(name)]
    if not there:
        return None
    program = there[0] if len(there) == 1 or not (_SYSTEMD.is_dir() and _modular_is_chosen()) else _MODULAR
    return Daemons(program, tuple(name for name in _HELPERS[program] if process.is_installed(name)))


def idle_sockets() -> tuple[str, ...]:
    """Return the units of the daemons that serve here which `setup.sh --start` would start; none without systemd."""
    serving = daemons()
    if serving is None or not _SYSTEMD.is_dir():
        return ()
    # A daemon that runs without its socket serves as well.
    return tuple(
        unit
        for unit in serving.sockets
        if not _systemctl("is-active", unit) and not _systemctl("is-active", f"{unit.removesuffix('.socket')}.service")
    )


def _modular_is_chosen() -> bool:
    """Say whether systemd knows virtqemud's socket, and libvirtd is neither enabled nor running."""
    wants = ("is-enabled", "is-active")
    units = (f"{_MONOLITHIC}.socket", f"{_MONOLITHIC}.service")
    return _systemctl("cat", f"{_MODULAR}.socket") and not any(_systemctl(ask, unit) for ask in wants for unit in units)


def _systemctl(*words: str) -> bool:
    try:
        process.run("systemctl", "--quiet", *words, timeout_s=20)
    except HostError:
        return False
    return True


def starting(program: str = "", verb: str = "start") -> str:
    """Return the command that starts one of libvirt's daemons, or does `verb` to it; else to the one that serves here.

    With systemd that is its socket's unit, but for a restart.
    """
    # systemd is asked only where no program is named.
    if not program:
        serving = daemons()
        program = serving.program if serving else _MONOLITHIC
    if not _SYSTEMD.is_dir():
        return f"{program} --daemon" if verb == "start" else f"pkill -x {program}; {program} --daemon"
    return f"systemctl {verb} {program}.{'socket' if verb == 'start' else 'service'}"


def journal() -> str:
    """Return where the words of the daemon that serves here are."""
    serving = daemons()
    unit = f"'journalctl -b -u {serving.program}', and " if serving and _SYSTEMD.is_dir() else ""
    return f"{unit}/var/log/libvirt or ~/.cache/libvirt"


def versions() -> dict[str, str]:
    """Return the versions of libvirt's daemon and of QEMU, as far as they are installed."""
    serving = daemons()
    programs = {"libvirt": serving.program if serving else "", "qemu": os.fspath(qemu_program() or "")}
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


def package_versions(family: Family, packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of those packages that are installed, alternatives as `missing_packages` has them each.

    Raises HostError where the package manager cannot be asked.
    """
    names = {name for package in packages for way in package.split("|") for name in way.split("+")}
    debian = ("dpkg-query", "--show", "--showformat=${Package} ${Version} ${db:Status-Status}\\n")
    others = ("rpm", "-qa", "--queryformat=%{NAME} %{VERSION}-%{RELEASE}.%{ARCH} installed\\n")
    asked = debian if family in ("debian", "ubuntu") else others
    lines = (line.split() for line in process.told_by(*asked, limit=_LONGEST_LIST, timeout_s=60).splitlines())
    return {line[0]: line[1] for line in lines if len(line) == 3 and line[0] in names and line[2] == "installed"}


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
