"""What a medium says it is: `.treeinfo` (productmd), `.discinfo`, `.disk/info` (Debian, Ubuntu) and the volume id.

All of it is the medium's own word: it is bounded, stripped of control characters, and used for nothing but to compare
and to show, except the names of kernel and initrd, which are looked up on the medium itself.
"""

from __future__ import annotations

import configparser
import re
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from imgpipe.adapters.iso import Iso, open_iso
from imgpipe.media.request import STAND_IN_FAMILY
from imgpipe.os_family import AnswerKind, FurtherMedium, System

_ANSWERS: dict[str, AnswerKind] = {kind: kind for kind in get_args(AnswerKind)}

LANDMARKS = ("sources/install.*", "viostor/*/*/viostor.inf")
"""Files that tell media apart which carry no description: Windows' own, and the drivers for KVM."""

_ARCHITECTURES = {"amd64": "x86_64", "x64": "x86_64", "arm64": "aarch64"}
_ARCHITECTURE = re.compile(
    r"(?<![A-Za-z0-9])(x86_64|amd64|x64|aarch64|arm64|i[3-6]86|ppc64le|s390x|riscv64|loongarch64|mips64el)(?![A-Za-z0-9])"
)
_VERSION = re.compile(r"\d+(?:\.\d+)*")
_LONGEST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class MediumFacts:
    """What a medium says of itself; what it does not say is empty.

    `family` and `version` come from `.treeinfo` alone. `kernel` and `initrd` are paths on the medium.
    `stand_in_for` names the kind of answer file that a stand-in reads. `landmarks` are those of LANDMARKS that are
    on it.
    """

    title: str
    volume_id: str
    family: str = ""
    version: str = ""
    arch: str = ""
    disk_info: str = ""
    kernel: str = ""
    initrd: str = ""
    stand_in_for: AnswerKind | None = None
    landmarks: tuple[str, ...] = ()


def identify(path: Path) -> MediumFacts:
    """Open a medium and read what it says of itself; RecipeError if it is no medium."""
    with open_iso(path) as medium:
        return read_facts(medium)


def read_facts(medium: Iso) -> MediumFacts:
    """Read what an open medium says of itself."""
    volume_id = _clean(medium.volume_id)
    tree = _read_tree(medium)
    disk_info = _clean(_text(medium, ".disk/info").partition("\n")[0])
    discinfo = [_clean(line) for line in _text(medium, ".discinfo").splitlines()[:3]] + ["", "", ""]
    family = tree.first("general:family", "release:name", "product:name")
    version = tree.first("general:version", "release:version", "product:version")
    arch = (
        tree.first("general:arch", "tree:arch") or discinfo[2] or _architecture(disk_info) or _architecture(volume_id)
    )
    arch = _ARCHITECTURES.get(arch, arch)
    named = tree.first("general:name") or f"{family} {version}".strip()
    return MediumFacts(
        title=named or disk_info or discinfo[1] or volume_id or "a medium without a name",
        volume_id=volume_id,
        family=family,
        version=version,
        arch=arch,
        disk_info=disk_info,
        kernel=tree.first(f"images-{arch}:kernel", "images-x86_64:kernel"),
        initrd=tree.first(f"images-{arch}:initrd", "images-x86_64:initrd"),
        stand_in_for=_ANSWERS.get(tree.first("general:answers"), "kickstart") if family == STAND_IN_FAMILY else None,
        landmarks=tuple(pattern for pattern in LANDMARKS if medium.glob(pattern)),
    )


def mismatches(facts: MediumFacts, system: System | FurtherMedium, *, allow_stand_in: bool = False) -> tuple[str, ...]:
    """Return every way in which a medium is not the system's, as sentences without their stop.

    The volume id counts only where the medium says nothing else that the system asks for: respins change it.
    """
    wanted = system.identity
    faults = []
    if facts.arch and wanted.arch and facts.arch != wanted.arch:
        faults.append(f"its architecture is '{facts.arch}', wanted is '{wanted.arch}'")
    if facts.stand_in_for and allow_stand_in:
        return tuple(faults)
    if facts.stand_in_for == "unattend":
        faults.append("it is a stand-in, and nothing of Windows is on it")
    if wanted.landmark and wanted.landmark not in facts.landmarks:
        faults.append(f"it has no '{wanted.landmark}'")
    asked = (("family", wanted.family, facts.family), ("description", wanted.disk_info, facts.disk_info))
    compared = [(what, pattern, said) for what, pattern, said in asked if pattern and said]
    if facts.family and wanted.version:
        compared.append(("version", wanted.version, facts.version))
    if wanted.volume_id and not any(what != "version" for what, _, _ in compared):
        compared.append(("volume id", wanted.volume_id, facts.volume_id))
    faults += [
        f"its {what} is '{said}', wanted is '{pattern}'"
        for what, pattern, said in compared
        if not re.match(pattern, said)
    ]
    if not compared and any((wanted.family, wanted.version, wanted.disk_info)):
        files = " or ".join(f"'{name}'" for name in _asked_files(system))
        faults.append(f"it has no {files} that would say what it is")
    return tuple(faults)


def _asked_files(system: System | FurtherMedium) -> tuple[str, ...]:
    wanted = system.identity
    tree = (".treeinfo",) if wanted.family or wanted.version else ()
    return (*tree, *((".disk/info",) if wanted.disk_info else ()))


@dataclass(frozen=True, slots=True)
class _Tree:
    """`.treeinfo`, empty where it is missing or not in its own format."""

    parser: configparser.ConfigParser

    def first(self, *keys: str) -> str:
        """Return the first value that is there among `section:option` names."""
        for key in keys:
            section, _, option = key.partition(":")
            if value := _clean(self.parser.get(section, option, fallback="") or ""):
                return value
        return ""


def _read_tree(medium: Iso) -> _Tree:
    parser = configparser.ConfigParser(interpolation=None, strict=False, allow_no_value=True, default_section="\0")
    for name in (".treeinfo", "treeinfo"):
        try:
            parser.read_string(_text(medium, name))
        except configparser.Error:
            continue
    return _Tree(parser)


def _text(medium: Iso, path: str) -> str:
    return (medium.read(path) or b"").decode("utf-8", "replace")


def _clean(text: str) -> str:
    return "".join(character for character in text if character.isprintable()).strip()[:_LONGEST]


def _architecture(text: str) -> str:
    match = _ARCHITECTURE.search(text)
    return _ARCHITECTURES.get(match[1], match[1]) if match else ""
