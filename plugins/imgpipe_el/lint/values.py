"""Values of commands that the language takes and the installer, or the installed system, does not.

Each command is read by pykickstart, as Anaconda reads it; what it refuses itself is told by `syntax`.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address
from typing import Any, Literal, TypeAlias

from imgpipe.crypt_methods import hash_fault
from imgpipe.os_family import Fault
from imgpipe.time_zones import is_time_zone
from imgpipe_el.lint.language import language_of
from imgpipe_el.lint.source import Command, Kickstart
from imgpipe_el.lint.syntax import REFUSALS
from imgpipe_el.release import Installer

# Anaconda's HOSTNAME_PATTERN (regexes.py) and its limit.
_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*\.?")
_LONGEST_HOST_NAME = 64
# What useradd of Enterprise Linux takes: shadow-utils with its patch for such names.
_USER_NAME = re.compile(r"(?!\.{1,2}$|[0-9]+$)[A-Za-z0-9_.][A-Za-z0-9_.-]{0,30}[A-Za-z0-9_.$-]?")
# How kernel and systemd name virtio NICs of an install machine; other names are those of other machines.
_NIC = re.compile(
    r"eth[0-9]+|enp[0-9]+s[0-9]+(f[0-9]+)?|ens([12]?[0-9]|3[01])|link|bootif|ibft|([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}"
)
_VIRTUAL = ("vlanid", "bondslaves", "bondopts", "teamslaves", "bridgeslaves", "bridgeopts", "essid")

# An object of pykickstart's, which has no types.
Data: TypeAlias = Any
Severity = Literal["error", "warning"]
Found = Iterator[tuple[Severity, str]]


def value_faults(kickstart: Kickstart, installer: Installer) -> Iterator[Fault]:
    """Yield what is wrong with the values of each command that has some to be wrong."""
    handler = language_of(installer)
    for command in kickstart.named(*_CHECKS):
        handler.currentLine = command.text
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                data = handler.dispatcher(list(command.words), command.line)
            except REFUSALS:
                continue
        for severity, text in _CHECKS[command.name](data, command, installer):
            yield Fault(line=command.line, text=text, severity=severity)


def _timezone(data: Data, _command: Command, _installer: Installer) -> Found:
    if data.timezone and not is_time_zone(data.timezone):
        yield "error", f"There is no time zone '{data.timezone}': the system would get another one in silence."


def _root(data: Data, _command: Command, _installer: Installer) -> Found:
    if data.isCrypted and data.password:
        yield from _hash(data.password)


def _user(data: Data, _command: Command, _installer: Installer) -> Found:
    if not _USER_NAME.fullmatch(data.name):
        yield "error", f"useradd refuses the name '{data.name}', and the installer ends."
    elif data.name == "root":
        yield "warning", "'root' is there already, so this does nothing: use 'rootpw' and 'sshkey'."
    if data.isCrypted and data.password:
        yield from _hash(data.password)


def _hash(password: str) -> Found:
    if fault := hash_fault(password):
        yield ("error" if fault.certain else "warning"), f"The password {fault.text}: nobody could log in with it."


def _network(data: Data, command: Command, installer: Installer) -> Found:
    yield from _host_name(data.hostname or "", installer)
    yield from _device(data)
    if data.bootProto == "static":
        yield from _static(data, command)
    given = (("--ipv6", _before_slash(data.ipv6)), ("--ipv6gateway", data.ipv6gateway))
    for option, value in given:
        if value and value not in {"auto", "dhcp"} and not _is(IPv6Address, value):
            yield "error", f"'{value}' of '{option}' is no IPv6 address."
    for server in filter(None, (word.strip() for word in (data.nameserver or "").split(","))):
        if not _is(ip_address, server):
            yield "warning", f"'{server}' of '--nameserver' is no IP address, so it is left out."


def _host_name(name: str, installer: Installer) -> Found:
    if name and (len(name) > _LONGEST_HOST_NAME or not _HOST_NAME.fullmatch(name)):
        yield ("error" if installer.checks_host_names else "warning"), f"'{name}' is no host name."


def _device(data: Data) -> Found:
    if data.device and not any(getattr(data, name, None) for name in _VIRTUAL) and not _NIC.fullmatch(data.device):
        text = (
            f"The machine has no NIC '{data.device}', so this line does nothing: its NICs are 'eth0', 'eth1' "
            "and so on, where nothing else names them."
        )
        yield "warning", text


def _static(data: Data, command: Command) -> Found:
    if not data.ip or not data.netmask:
        if not data.ipv6:
            yield "warning", "'--bootproto=static' needs '--ip' and '--netmask'."
        return
    if not _is(IPv4Address, data.ip):
        yield "error", f"'{data.ip}' of '--ip' is no IPv4 address."
        return
    if not _is_netmask(data.netmask):
        yield "error", f"'{data.netmask}' of '--netmask' is no netmask, such as '255.255.255.0'."
        return
    yield from _gateway(data, command)


def _gateway(data: Data, command: Command) -> Found:
    gateway = data.gateway
    if not gateway or gateway == "none" or not command.has("--gateway"):
        return
    if not _is(IPv4Address, gateway):
        yield "error", f"'{gateway}' of '--gateway' is no IPv4 address."
    elif IPv4Address(gateway) not in IPv4Network((data.ip, data.netmask), strict=False):
        yield "warning", f"The gateway '{gateway}' is not in the network of '{data.ip}' with '{data.netmask}'."
    elif gateway == data.ip:
        yield "warning", f"The gateway '{gateway}' is the machine's own address."


def _is_netmask(text: str) -> bool:
    # Anaconda compares it as text with those of the prefixes 0 to 32.
    return any(text == str(IPv4Network((0, prefix)).netmask) for prefix in range(33))


def _before_slash(text: str | None) -> str:
    return (text or "").partition("/")[0]


def _is(kind: Callable[[str], object], text: str) -> bool:
    try:
        kind(text)
    except ValueError:
        return False
    return True


_CHECKS: dict[str, Callable[[Data, Command, Installer], Found]] = {
    "network": _network,
    "rootpw": _root,
    "sshpw": _root,
    "timezone": _timezone,
    "user": _user,
}
