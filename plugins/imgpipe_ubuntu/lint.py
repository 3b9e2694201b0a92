"""Lint of autoinstall user-data: its form, its keys, and what would make an unattended installation fail or wait."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from imgpipe.account_names import RESERVED
from imgpipe.crypt_methods import hash_fault, hashes, is_hash
from imgpipe.late_commands import late_command_faults
from imgpipe.os_family import Fault, System
from imgpipe.time_zones import is_time_zone
from imgpipe_ubuntu import lint_network, lint_storage
from imgpipe_ubuntu.document import OK, PROOF_FILE
from imgpipe_ubuntu.schema import AUTOINSTALL, LENIENT, NETWORK
from imgpipe_ubuntu.yaml_document import Path, YamlDocument, read_yaml

_LARGEST = 2**20
_ROOT = "autoinstall"
# Later than the last media of these releases whose installer was looked at (24.04.4).
_NEWER_KEYS = {"kernel-crash-dumps": "24.10", "zdevs": "24.10"}
_MOST_FAULTS = 200
# subiquity's USERNAME_REGEX (controllers/identity.py).
_USER_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Autoinstall:
    """The section and where it is; `line` takes paths inside of it."""

    section: dict[str, Any]
    document: YamlDocument

    def fault(self, path: Path, text: str) -> Fault:
        return Fault(line=self.document.line((_ROOT, *path)), text=text)

    def network_line(self, path: Path) -> int:
        """Return the line of a path in the section `network`."""
        return self.document.line((_ROOT, "network", *path))

    def warning(self, path: Path, text: str) -> Fault:
        return Fault(line=self.document.line((_ROOT, *path)), text=text, severity="warning")


def lint(text: str, system: System, firmware: str) -> tuple[Fault, ...]:
    """Return every fault of a user-data file in the order of its lines; `firmware` is 'bios' or 'uefi'."""
    if len(text) > _LARGEST:
        return (Fault(line=0, text="The file is larger than 1 MiB."),)
    faults = list(_form(text))
    document = read_yaml(text)
    faults += document.faults
    if document.value is not None:
        faults += _top_level(document)
        section = document.value.get(_ROOT) if isinstance(document.value, dict) else None
        if isinstance(section, dict):
            faults += _content(_Autoinstall(section=section, document=document), system, firmware)
    elif not document.faults:
        faults.append(Fault(line=1, text="The file has no 'autoinstall' section."))
    return tuple(sorted(dict.fromkeys(faults), key=lambda fault: fault.line))[:_MOST_FAULTS]


def _form(text: str) -> Iterator[Fault]:
    # cloud-init tells its formats apart by this line and ignores what it does not know.
    if text.startswith("\ufeff"):
        yield Fault(line=1, text="The file begins with a byte order mark, with which cloud-init does not know it.")
    elif text.split("\n", 1)[0].rstrip() != "#cloud-config":
        yield Fault(line=1, text="The first line must be '#cloud-config'.")


def _top_level(document: YamlDocument) -> Iterator[Fault]:
    if not isinstance(document.value, dict):
        yield Fault(line=1, text="The document must be a mapping with the key 'autoinstall'.")
        return
    if not isinstance(document.value.get(_ROOT), dict):
        yield Fault(line=document.line((_ROOT,)), text="The file has no 'autoinstall' section, or it is no mapping.")
    for key in document.value:
        if key in AUTOINSTALL["properties"] and key not in {"packages", "locale", "timezone"}:
            yield Fault(line=document.line((str(key),)), text=f"The key '{key}' belongs under 'autoinstall'.")


def _content(autoinstall: _Autoinstall, system: System, firmware: str) -> Iterator[Fault]:
    yield from _schema(autoinstall)
    yield from _unattended(autoinstall)
    yield from _accounts(autoinstall)
    yield from _zone(autoinstall)
    yield from _ages(autoinstall, system)
    yield from lint_network.network_faults(autoinstall.section.get("network"), autoinstall.network_line)
    section, line = autoinstall.section, autoinstall.document.line
    yield from lint_storage.lint_storage(section.get("storage"), lambda path: line((_ROOT, "storage", *path)), firmware)
    late = section.get("late-commands")
    for number, command in enumerate(late if isinstance(late, list) else []):
        for fault in late_command_faults(_script(command), "'shutdown: poweroff'"):
            yield replace(fault, line=line((_ROOT, "late-commands", number)))


def _script(command: object) -> str:
    """Return a command as a shell gets it: subiquity gives a text to one, and runs a list as it is."""
    if isinstance(command, list):
        return shlex.join(word for word in command if isinstance(word, str))
    return command if isinstance(command, str) else ""


def _schema(autoinstall: _Autoinstall) -> Iterator[Fault]:
    for error in Draft202012Validator(AUTOINSTALL).iter_errors(autoinstall.section):
        yield from _explain(error, autoinstall, ())
    network = autoinstall.section.get("network")
    if isinstance(network, dict):
        inner = network.get("network")
        prefix: Path = ("network", "network") if isinstance(inner, dict) else ("network",)
        for error in Draft202012Validator(NETWORK).iter_errors(inner if isinstance(inner, dict) else network):
            yield from _explain(error, autoinstall, prefix)


def _explain(error: ValidationError, autoinstall: _Autoinstall, prefix: Path) -> Iterator[Fault]:
    path: Path = (*prefix, *error.absolute_path)
    where = ".".join(str(part) for part in path)
    schema = error.schema if isinstance(error.schema, dict) else {}
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = list(schema.get("properties", {}))
        for key in error.instance:
            if key not in known:
                near = difflib.get_close_matches(str(key), known, n=1)
                hint = f"; did you mean '{near[0]}'?" if near else "."
                blame = autoinstall.warning if schema.get(LENIENT) else autoinstall.fault
                yield blame((*path, str(key)), f"The key '{key}' is not known here{hint}")
        return
    if error.validator == "required" and isinstance(error.instance, dict):
        missing = [key for key in schema.get("required", []) if key not in error.instance]
        text = f"{_place(where)} needs {', '.join(repr(key) for key in missing)}."
    elif error.validator in {"enum", "const"}:
        allowed = schema.get("enum", [schema.get("const")])
        text = f"{_place(where)} must be one of {', '.join(repr(value) for value in allowed)}."
    elif error.validator == "type":
        kinds = schema.get("type", "")
        text = f"{_place(where)} must be of type {kinds if isinstance(kinds, str) else ' or '.join(kinds)}."
    else:
        text = f"{_place(where)} has not the form that is asked for."
    yield autoinstall.fault(path, text)


def _place(where: str) -> str:
    return f"'{where}'" if where else "'autoinstall'"


def _unattended(autoinstall: _Autoinstall) -> Iterator[Fault]:
    section = autoinstall.section
    if section.get("shutdown", "reboot") == "reboot":
        text = (
            "A reboot ends a build as well as 'shutdown: poweroff' does, for its machine ends where it would start "
            "again; elsewhere the installer may boot once more."
        )
        yield autoinstall.warning(("shutdown",), text)
    if section.get("interactive-sections"):
        yield autoinstall.fault(
            ("interactive-sections",), "'interactive-sections' makes the installer wait for a human."
        )
    yield from _nobody(autoinstall)
    refresh = section.get("refresh-installer")
    if isinstance(refresh, dict) and refresh.get("update") is True:
        yield autoinstall.warning(
            ("refresh-installer", "update"), "The installer would replace itself from the network."
        )
    if OK not in str(section.get("late-commands")):
        text = f"'late-commands' must end with '<system>' in /target{PROOF_FILE} and '{OK} <system>' on /dev/ttyS0."
        yield autoinstall.warning(("late-commands",), text)


def _nobody(autoinstall: _Autoinstall) -> Iterator[Fault]:
    """Yield the fault of a file without an account, which a server's installer refuses (controllers/identity.py)."""
    section = autoinstall.section
    storage, source = section.get("storage"), section.get("source")
    layout = storage.get("layout") if isinstance(storage, dict) else None
    if isinstance(layout, dict) and layout.get("reset-partition-only") is True:
        yield autoinstall.fault(("storage", "layout"), "With 'reset-partition-only' no system is installed.")
    elif "identity" not in section and "user-data" not in section:
        text = "There must be 'identity' or 'user-data'; the installer of a server stops without."
        desktop = isinstance(source, dict) and "server" not in str(source.get("id", "server"))
        yield autoinstall.warning((), text) if desktop else autoinstall.fault((), text)


def _accounts(autoinstall: _Autoinstall) -> Iterator[Fault]:
    section = autoinstall.section
    identity = section.get("identity")
    if isinstance(identity, dict):
        yield from _identity(identity, autoinstall)
    user_data = section.get("user-data")
    if not isinstance(user_data, dict):
        return
    if "password" in user_data and not _is_hash(str(user_data["password"])):
        yield autoinstall.warning(("user-data", "password"), "The password is plain text and stays in the image.")
    users = user_data.get("users")
    for number, user in enumerate(users if isinstance(users, list) else []):
        if isinstance(user, dict) and "plain_text_passwd" in user:
            path: Path = ("user-data", "users", number, "plain_text_passwd")
            yield autoinstall.warning(path, "The password is plain text and stays in the image.")
    if "chpasswd" in user_data and not any(hashes(str(user_data["chpasswd"]))):
        yield autoinstall.warning(
            ("user-data", "chpasswd"), "The passwords seem to be plain text; they stay in the image."
        )


def _identity(identity: dict[str, Any], autoinstall: _Autoinstall) -> Iterator[Fault]:
    password, name = identity.get("password"), identity.get("username")
    if isinstance(password, str) and (fault := hash_fault(password)):
        blame = autoinstall.fault if fault.certain else autoinstall.warning
        yield blame(("identity", "password"), f"The password {fault.text}: nobody could log in with it.")
    if isinstance(name, str) and not _USER_NAME.fullmatch(name):
        text = f"'{name}' is no user's name: it has small letters, digits, '-' and '_', 32 at most."
        yield autoinstall.fault(("identity", "username"), text)
    elif name in RESERVED:
        yield autoinstall.fault(
            ("identity", "username"), f"The installer refuses the name '{name}', which is reserved."
        )
    host = identity.get("hostname")
    if isinstance(host, str) and not _HOST_NAME.fullmatch(host):
        yield autoinstall.warning(("identity", "hostname"), f"'{host}' is no host name.")


def _zone(autoinstall: _Autoinstall) -> Iterator[Fault]:
    zone = autoinstall.section.get("timezone")
    if isinstance(zone, str) and zone not in {"", "geoip"} and not is_time_zone(zone):
        yield autoinstall.fault(("timezone",), f"There is no time zone '{zone}', and the installer ends.")


def _is_hash(text: str) -> bool:
    """Tell whether `text` is a hash or one of the usual marks of a locked account."""
    return is_hash(text) or text in {"*", "!", "!!"}


def _ages(autoinstall: _Autoinstall, system: System) -> Iterator[Fault]:
    if "ubuntu-advantage" in autoinstall.section:
        yield autoinstall.warning(("ubuntu-advantage",), "'ubuntu-advantage' is deprecated; it is 'ubuntu-pro' now.")
    for key, since in _NEWER_KEYS.items():
        if key in autoinstall.section:
            yield autoinstall.warning(
                (key,), f"'{key}' came with {since}: the installer of {system.name} may ignore it."
            )
    network = autoinstall.section.get("network")
    if isinstance(network, dict):
        inner = network.get("network", network)
        ethernets = inner.get("ethernets") if isinstance(inner, dict) else None
        for name, ethernet in (ethernets if isinstance(ethernets, dict) else {}).items():
            if isinstance(ethernet, dict) and "gateway4" in ethernet:
                prefix: Path = ("network", "network") if inner is not network else ("network",)
                path = (*prefix, "ethernets", str(name), "gateway4")
                yield autoinstall.warning(path, "'gateway4' is deprecated; write a route to 'default'.")
