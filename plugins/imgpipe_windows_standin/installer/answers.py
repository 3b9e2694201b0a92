"""The answer file, read as Setup reads it: by namespace, pass, component and architecture.

Format: Microsoft's "Unattended Windows Setup Reference"; what is not asked for below is not looked at.
"""

from __future__ import annotations

import base64
import binascii
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

_UNATTEND = "{urn:schemas-microsoft-com:unattend}"
_SETUP = "Microsoft-Windows-Setup"
_SHELL = "Microsoft-Windows-Shell-Setup"
_LANGUAGE = "Microsoft-Windows-International-Core-WinPE"
_ATTRIBUTES = {
    "processorArchitecture": "amd64",
    "publicKeyToken": "31bf3856ad364e35",
    "language": "neutral",
    "versionScope": "nonSxS",
}
_NAME_FORBIDS = set("{|}~[]^':;<=>?@!\"#$%()+/.,*& `\\")


class AnswerError(Exception):
    """The answer file cannot be used; the text is what the dialog says."""


@dataclass(frozen=True, kw_only=True)
class Create:
    """A partition to make; `size` is in MiB, None where it takes the rest."""

    kind: str
    size: int | None


@dataclass(frozen=True, kw_only=True)
class Modify:
    """What becomes of partition `number`."""

    number: int
    format: str = ""
    label: str = ""
    active: bool = False
    type_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Secret:
    """A password of the answer file: with PlainText false its encoding ends with a word that depends on its place."""

    value: str
    plain: bool
    suffix: str

    def decode(self) -> str:
        """Return the password, or raise AnswerError if it is not encoded for its place."""
        if self.plain:
            return self.value
        try:
            text = base64.b64decode(self.value, validate=True).decode("utf-16-le")
        except (binascii.Error, UnicodeDecodeError):
            raise AnswerError(f"The setting '{self.suffix}' is not base64 of UTF-16.") from None
        if not text.endswith(self.suffix):
            raise AnswerError(f"The encoded value of '{self.suffix}' does not end with its name.")
        return text.removesuffix(self.suffix)


class Answers:
    """An answer file, one question at a time."""

    def __init__(self, root: ET.Element) -> None:
        if root.tag != f"{_UNATTEND}unattend":
            raise AnswerError("The root of the answer file is not 'unattend' of Microsoft's namespace.")
        self._root = root

    @property
    def ui_language(self) -> str:
        """The language Setup speaks; empty where Setup would ask."""
        return self._text("windowsPE", _LANGUAGE, "SetupUILanguage/UILanguage")

    @property
    def accepts_eula(self) -> bool:
        """Whether the licence terms are accepted."""
        return self._text("windowsPE", _SETUP, "UserData/AcceptEula").lower() == "true"

    @property
    def image(self) -> tuple[str, str]:
        """The key and the value that choose an image, such as '/IMAGE/NAME'."""
        path = "ImageInstall/OSImage/InstallFrom/MetaData"
        key, value = (self._text("windowsPE", _SETUP, f"{path}/{name}") for name in ("Key", "Value"))
        return key.upper(), value

    @property
    def install_to(self) -> int:
        """The number of the partition Windows goes to, of disk 0."""
        path = "ImageInstall/OSImage/InstallTo"
        if self._text("windowsPE", _SETUP, f"{path}/DiskID") != "0":
            raise AnswerError("InstallTo names no disk of this machine.")
        return _number(self._text("windowsPE", _SETUP, f"{path}/PartitionID"), "InstallTo/PartitionID")

    @property
    def partitions(self) -> tuple[tuple[Create, ...], tuple[Modify, ...]]:
        """What to make on disk 0, and what becomes of it; both empty where the disk is not to be wiped."""
        disks = [
            disk for disk in self._all("windowsPE", _SETUP, "DiskConfiguration/Disk") if _of(disk, "DiskID") == "0"
        ]
        if len(disks) != 1 or _of(disks[0], "WillWipeDisk").lower() != "true":
            return (), ()
        creates = _ordered(disks[0], "CreatePartitions/CreatePartition")
        modifies = _ordered(disks[0], "ModifyPartitions/ModifyPartition")
        return tuple(map(_create, creates)), tuple(map(_modify, modifies))

    @property
    def computer_name(self) -> str:
        """The computer name; empty or '*' where Windows makes one up. Raises AnswerError for a bad one."""
        name = self._text("specialize", _SHELL, "ComputerName")
        if name not in {"", "*"} and (len(name) > 15 or _NAME_FORBIDS & set(name) or name.isdigit()):
            raise AnswerError(f"The computer name '{name}' is not valid.")
        return name

    @property
    def time_zone(self) -> str:
        """Windows' own name of the time zone."""
        return self._text("specialize", _SHELL, "TimeZone") or self._text("oobeSystem", _SHELL, "TimeZone")

    @property
    def administrator_password(self) -> Secret | None:
        """The administrator's password; None where OOBE would ask for it."""
        return self._secret("UserAccounts/AdministratorPassword", "AdministratorPassword")

    @property
    def logon_password(self) -> Secret | None:
        """The password of the automatic logon; None where nobody logs on by himself."""
        if self._text("oobeSystem", _SHELL, "AutoLogon/Enabled").lower() != "true":
            return None
        return self._secret("AutoLogon/Password", "Password")

    @property
    def first_commands(self) -> tuple[str, ...]:
        """The commands of the first logon, in their order."""
        found = self._all("oobeSystem", _SHELL, "FirstLogonCommands/SynchronousCommand")
        return tuple(_of(command, "CommandLine") for command in sorted(found, key=_order))

    def has_settings(self, phase: str) -> bool:
        """Say whether the file has settings for a pass, without which Setup looks further."""
        return any(list(settings) for settings in self._settings(phase))

    def _settings(self, phase: str) -> list[ET.Element]:
        return [found for found in self._root.iterfind(f"{_UNATTEND}settings") if found.get("pass") == phase]

    def _all(self, phase: str, component: str, path: str) -> list[ET.Element]:
        found = []
        for settings in self._settings(phase):
            for element in settings.iterfind(f"{_UNATTEND}component"):
                if element.get("name") == component and _ATTRIBUTES.items() <= element.attrib.items():
                    found += element.findall(_qualified(path))
        return found

    def _text(self, phase: str, component: str, path: str) -> str:
        return next((element.text or "" for element in self._all(phase, component, path)), "").strip()

    def _secret(self, path: str, suffix: str) -> Secret | None:
        if not (found := self._all("oobeSystem", _SHELL, path)):
            return None
        plain = _of(found[0], "PlainText").lower() != "false"
        return Secret(value=_of(found[0], "Value"), plain=plain, suffix=suffix)


def read_answers(path: Path) -> Answers:
    """Read an answer file, or raise AnswerError with where it is wrong."""
    try:
        return Answers(ET.parse(path).getroot())  # noqa: S314 (it harms nobody but this machine, which is thrown away)
    except ET.ParseError as error:
        raise AnswerError(f"The answer file is no XML: {error}.") from None


def _qualified(path: str) -> str:
    return "/".join(_UNATTEND + name for name in path.split("/"))


def _of(element: ET.Element, path: str) -> str:
    return (element.findtext(_qualified(path)) or "").strip()


def _order(element: ET.Element) -> int:
    return _number(_of(element, "Order"), "Order")


def _ordered(disk: ET.Element, path: str) -> list[ET.Element]:
    found = sorted(disk.findall(_qualified(path)), key=_order)
    if [_order(element) for element in found] != list(range(1, len(found) + 1)):
        raise AnswerError(f"The orders of '{path}' are not 1, 2, 3 and so on.")
    return found


def _create(element: ET.Element) -> Create:
    extends = _of(element, "Extend").lower() == "true"
    if extends == bool(_of(element, "Size")):
        raise AnswerError("A partition needs either a size or 'Extend'.")
    return Create(kind=_of(element, "Type").lower(), size=None if extends else _number(_of(element, "Size"), "Size"))


def _modify(element: ET.Element) -> Modify:
    return Modify(
        number=_number(_of(element, "PartitionID"), "PartitionID"),
        format=_of(element, "Format").lower(),
        label=_of(element, "Label"),
        active=_of(element, "Active").lower() == "true",
        type_id=_of(element, "TypeID"),
    )


def _number(text: str, name: str) -> int:
    if not text.isdigit():
        raise AnswerError(f"The setting '{name}' is '{text}', which is no number.")
    return int(text)
