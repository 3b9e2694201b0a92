"""What an unattended installation of Debian is asked to do, checked before a word of it is written.

Two syntaxes are written from these values: debconf's (a line each; a backslash at its end would take the
next line along) and the shell's. So no value may hold a control character, and each has a pattern of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Interface, ip_address
from typing import Literal

from imgpipe.errors import RecipeError
from imgpipe.host.debian_mirror import Mirror

_ANY_LINE = r"[^\x00-\x1f\x7f\x80-\x9f\u2028\u2029]*"
_HOST_NAME = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_INTERFACE = r"[a-zA-Z][a-zA-Z0-9_.-]{0,14}"
_PACKAGE = r"[a-z0-9][a-z0-9+.-]+(:[a-z0-9]+)?"
_USER = r"[a-z_][a-z0-9_-]{0,30}"
# Narrower than crypt(5), which lets a salt have nearly all letters: it stands in a script too.
_CRYPTED = r"(\$[a-z0-9]+[$,][A-Za-z0-9./$=,+_-]+|_[A-Za-z0-9./]{19}|[!*])"
_MAC = r"[0-9a-f]{2}(:[0-9a-f]{2}){5}"
_PUBLIC_KEY = r"(ssh|ecdsa|sk)-[a-z0-9@.-]+ [A-Za-z0-9+/=]+( [^\x00-\x1f\x7f\\]*)?"
_UNIT = r"[A-Za-z0-9:_.@-]+"


@dataclass(frozen=True, slots=True, kw_only=True)
class Nic:
    """A network card of the installed system: static if it has an address (`192.0.2.7/24`), else DHCP.

    With a MAC, the card with that address gets the name, whatever the kernel calls it.
    """

    name: str
    mac: str = ""
    address: str = ""
    gateway: str = ""
    dns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """An account of the installed system; without a password hash it logs in by key only."""

    name: str
    password_hash: str = field(default="!", repr=False)
    keys: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A line of limits.conf(5)."""

    domain: str
    kind: Literal["soft", "hard", "-"]
    item: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """How the disk is divided; sizes in MiB, the root file system takes what is left."""

    device: str = "/dev/vda"
    firmware: Literal["bios", "uefi"] = "bios"
    layout: Literal["plain", "lvm"] = "plain"
    filesystem: Literal["ext4", "xfs"] = "ext4"
    boot_mib: int = 1024
    swap_mib: int = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where packages come from; without a mirror only the medium itself is used."""

    mirror: Mirror | None = None
    suite: str = "trixie"
    proxy: str = ""
    # Of this list of apt-setup's: "security", "updates".
    services: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """Files and units of the installed system that are not packages' business."""

    sshd: tuple[tuple[str, str], ...] = ()
    sysctl: tuple[tuple[str, str], ...] = ()
    limits: tuple[Limit, ...] = ()
    enable: tuple[str, ...] = ()
    disable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PreseedSettings:
    """Everything the answers are made from; raises RecipeError with all faults when one does not fit."""

    token: str
    hostname: str = "debian"
    locale: str = "en_US.UTF-8"
    keyboard: str = "us"
    timezone: str = "Etc/UTC"
    utc: bool = True
    nics: tuple[Nic, ...] = (Nic(name="eth0"),)
    # The card the installer itself uses: a name, or "auto" for the first one with a link.
    install_nic: str = "auto"
    disk: Disk = Disk()
    sources: Sources = Sources()
    packages: tuple[str, ...] = ()
    kernel_package: str = "linux-image-amd64"
    kernel_arguments: tuple[str, ...] = ()
    classic_names: bool = True
    console: str = "ttyS0"
    root_password_hash: str = field(default="!", repr=False)
    root_keys: tuple[str, ...] = ()
    users: tuple[User, ...] = ()
    tuning: Tuning = Tuning()

    def __post_init__(self) -> None:
        faults = [
            *_own_faults(self),
            *_nic_faults(self.nics),
            *_user_faults(self.users),
            *_tuning_faults(self.tuning),
        ]
        if faults:
            raise RecipeError("These settings cannot be written as answers to debian-installer.", details=faults)

    @property
    def target_arguments(self) -> tuple[str, ...]:
        """The installed system's kernel arguments: the serial console comes last, so it is /dev/console."""
        names = ("net.ifnames=0", "biosdevname=0") if self.classic_names else ()
        return (*names, *self.kernel_arguments, "console=tty0", f"console={self.console},115200n8")


def _own_faults(settings: PreseedSettings) -> list[str]:
    disk, sources = settings.disk, settings.sources
    return [
        *_check("token", r"[A-Za-z0-9-]{4,64}", settings.token),
        *_check("hostname", _HOST_NAME, settings.hostname),
        *_check("locale", r"[A-Za-z]{1,3}(_[A-Z]{2})?(\.[A-Za-z0-9-]+)?(@[a-z]+)?", settings.locale),
        *_check("keyboard", r"[a-z]{2,8}(\([A-Za-z0-9_-]{1,31}\))?", settings.keyboard),
        *_check("timezone", r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*", settings.timezone),
        *_check("install_nic", _INTERFACE, settings.install_nic),
        *_check("disk.device", r"/dev/[a-z0-9/._-]+", disk.device),
        *(
            []
            if disk.boot_mib >= 256 and disk.swap_mib >= 0
            else ["disk: /boot needs 256 MiB, swap cannot be negative"]
        ),
        *_check("sources.suite", r"[a-z]+", sources.suite),
        *_check("sources.proxy", r"(https?://[A-Za-z0-9.:@_/\[\]-]+)?", sources.proxy),
        *_each("sources.services", r"security|updates", sources.services),
        *_each("packages", _PACKAGE, settings.packages),
        *_check("kernel_package", _PACKAGE, settings.kernel_package),
        *_each("kernel_arguments", r"[A-Za-z0-9_.,:=/@+-]+", settings.kernel_arguments),
        *_check("console", r"tty[A-Z]+[0-9]+", settings.console),
        *_check("root_password_hash", _CRYPTED, settings.root_password_hash, secret=True),
        *_each("root_keys", _PUBLIC_KEY, settings.root_keys),
    ]


def _nic_faults(nics: tuple[Nic, ...]) -> list[str]:
    faults: list[str] = []
    for number, nic in enumerate(nics):
        where = f"nics[{number}]"
        faults += _check(f"{where}.name", _INTERFACE, nic.name)
        faults += _check(f"{where}.mac", f"({_MAC})?", nic.mac)
        if nic.address:
            faults += _parsed(f"{where}.address", IPv4Interface, nic.address)
        elif nic.gateway or nic.dns:
            faults.append(f"{where}: a gateway or DNS needs a static address")
        for address in (*([nic.gateway] if nic.gateway else []), *nic.dns):
            faults += _parsed(f"{where}: gateway and DNS", ip_address, address)
    if len({nic.name for nic in nics}) != len(nics):
        faults.append("nics: two have the same name")
    return faults


def _user_faults(users: tuple[User, ...]) -> list[str]:
    faults: list[str] = []
    for number, user in enumerate(users):
        where = f"users[{number}]"
        faults += _check(f"{where}.name", _USER, user.name)
        faults += _check(f"{where}.password_hash", _CRYPTED, user.password_hash, secret=True)
        faults += _each(f"{where}.keys", _PUBLIC_KEY, user.keys)
        faults += _each(f"{where}.groups", _USER, user.groups)
    return faults


def _tuning_faults(tuning: Tuning) -> list[str]:
    faults = [
        *_each("tuning.sshd", r"[A-Za-z]+", (key for key, _ in tuning.sshd)),
        *_each("tuning.sysctl", r"[a-z0-9_./-]+", (key for key, _ in tuning.sysctl)),
        *_each("tuning", _ANY_LINE, (value for _, value in (*tuning.sshd, *tuning.sysctl))),
        *_each("tuning.enable and tuning.disable", _UNIT, (*tuning.enable, *tuning.disable)),
    ]
    for limit in tuning.limits:
        text = f"{limit.domain} {limit.kind} {limit.item} {limit.value}"
        faults += _check("tuning.limits", r"[@%*a-zA-Z0-9_:-]+ (soft|hard|-) [a-z]+ -?[a-z0-9]+", text)
    return faults


def _each(where: str, pattern: str, values: Iterable[str]) -> list[str]:
    return [fault for value in values for fault in _check(where, pattern, value)]


def _check(where: str, pattern: str, value: str, *, secret: bool = False) -> list[str]:
    if re.fullmatch(pattern, value):
        return []
    return [f"{where}: {'this value' if secret else repr(value)} is not allowed"]


def _parsed(where: str, parser: type[IPv4Interface] | object, value: str) -> list[str]:
    try:
        parser(value)  # type: ignore[operator]
    except ValueError:
        return [f"{where}: {value!r} is not an address"]
    return []
