"""Single values in an answer file: passwords, names, time zones, command lines, keys."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from tzlocal.windows_tz import win_tz

from imgpipe.os_family import Fault
from imgpipe_windows.answer.password import ADMINISTRATOR, ANY_OTHER, decoded
from imgpipe_windows.lint.source import Node

_LONGEST_PATH = 259
_LONGEST_COMMAND = 1024
_LONGEST_NAME = 15
_FORBIDDEN = re.compile(r"[{|}~\[\]^':;<=>?@!\"#$%()+/.,*&\\` ]|[^\x20-\x7e]")
_LONGEST_ACCOUNT = 20
_FORBIDDEN_IN_ACCOUNTS = re.compile(r'["/\\\[\]:;|=,+*?<>]')
_KEY = re.compile(r"([A-Z0-9]{5}-){4}[A-Z0-9]{5}")
_MAC = re.compile(r"([0-9A-Fa-f]{2}-){5}[0-9A-Fa-f]{2}")
_SETTLED = ("*SENSITIVE*DATA*DELETED*", "")


def value_faults(root: Node) -> Iterator[Fault]:
    """Yield what is wrong with values, wherever they stand."""
    for node in root.all():
        if node.name in {"Password", "AdministratorPassword"}:
            yield from _password(node)
        elif (check := _CHECKS.get(node.name)) and (text := check(node.text.strip())):
            yield Fault(line=node.line, text=text)
        if node.name in {"Interface", "FirewallGroup"}:
            yield from _by_language(node)
        if node.name == "LocalAccount":
            yield from _account(node)


def _account(node: Node) -> Iterator[Fault]:
    name = node.child("Name")
    if name is not None and (bad := _FORBIDDEN_IN_ACCOUNTS.search(name.text.strip())):
        yield Fault(line=name.line, text=f"an account's name must not contain {bad[0]!r}")
    elif name is not None and len(name.text.strip()) > _LONGEST_ACCOUNT:
        yield Fault(line=name.line, text=f"an account's name has {_LONGEST_ACCOUNT} characters at most")


def _password(node: Node) -> Iterator[Fault]:
    """Check a password; what it says never gets into a fault."""
    if not node.children:
        if node.text.strip() not in _SETTLED:
            yield Fault(line=node.line, text=f"'{node.name}' stands here in plain text", severity="warning")
        return
    value = node.child("Value")
    if value is None or value.text.strip() in _SETTLED:
        return
    if node.value("PlainText").lower() != "false":
        text = f"'{node.name}' is in plain text: encode it and set PlainText to false"
        yield Fault(line=value.line, text=text, severity="warning")
        return
    suffix = ADMINISTRATOR if node.name == ADMINISTRATOR else ANY_OTHER
    plain = decoded(value.text.strip())
    if plain is None:
        yield Fault(line=value.line, text=f"'{node.name}' is not base64 of UTF-16LE (Setup: 0x8007000d)")
    elif not plain.endswith(suffix) or (suffix == ANY_OTHER and plain.endswith(ADMINISTRATOR)):
        yield Fault(line=value.line, text=f"'{node.name}' must be encoded with '{suffix}' after it (Setup: 0x8007000d)")


def _by_language(node: Node) -> Iterator[Fault]:
    """Warn of names that another language, or another order of devices, has otherwise."""
    group, interface = node.child("Group"), node.child("Identifier")
    if group is not None and not group.text.strip().startswith("@"):
        text = (
            "a firewall group by its name is found in one language alone; write its resource, '@FirewallAPI.dll,-28752'"
        )
        yield Fault(line=group.line, text=text, severity="warning")
    if node.name == "Interface" and interface is not None and not _MAC.fullmatch(interface.text.strip()):
        text = "an interface's name is not stable; write its MAC address, as '52-54-00-12-34-56'"
        yield Fault(line=interface.line, text=text, severity="warning")


def _computer_name(name: str) -> str:
    if name == "*" or not name:
        return ""
    if len(name) > _LONGEST_NAME:
        return f"the computer name is longer than {_LONGEST_NAME} characters"
    if bad := _FORBIDDEN.search(name):
        return f"a computer name must not contain {bad[0]!r}"
    return "a computer name must not consist of digits alone" if name.isdigit() else ""


def _zone(name: str) -> str:
    return "" if name in win_tz else f"Windows has no time zone '{name}'; its names are such as 'China Standard Time'"


def _path(line: str) -> str:
    return f"a Path has {_LONGEST_PATH} characters at most; this has {len(line)}" if len(line) > _LONGEST_PATH else ""


def _command(line: str) -> str:
    if len(line) <= _LONGEST_COMMAND:
        return ""
    return f"a CommandLine has {_LONGEST_COMMAND} characters at most; this has {len(line)}"


def _product_key(text: str) -> str:
    return "" if not text or _KEY.fullmatch(text) or "\n" in text else "this is not the form of a product key"


_CHECKS: dict[str, Callable[[str], str]] = {
    "ComputerName": _computer_name,
    "TimeZone": _zone,
    "Path": _path,
    "CommandLine": _command,
    "Key": lambda text: "" if text.upper().startswith("/IMAGE/") else _product_key(text),
}
