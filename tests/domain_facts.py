"""Domains' XML as sets of facts, and virt-install's, to compare ours with."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from xml.etree import ElementTree as ET


def virt_install(uri: str, *arguments: str) -> str:
    """Return the last domain that virt-install would make with these arguments."""
    done = subprocess.run(
        ["virt-install", "--connect", uri, *arguments, "--dry-run", "--print-xml"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout[done.stdout.rindex("<domain ") :]


def facts(xml: str) -> set[str]:
    """Return every element as one line, MAC addresses and the uuid left out; ports are counted."""
    found: set[str] = set()
    counted: dict[str, int] = {}
    for path, element in _walk(ET.fromstring(xml), ""):
        tag = element.tag.rpartition("}")[2]
        attributes = "".join(f" {key}={value}" for key, value in sorted(element.attrib.items()) if tag != "mac")
        text = (element.text or "").strip() if tag != "uuid" else ""
        fact = f"{path}{attributes}{f' = {text}' if text else ''}"
        counted[fact] = counted.get(fact, 0) + 1
        found.add(fact if counted[fact] == 1 else f"{fact} #{counted[fact]}")
    return found


def _walk(element: ET.Element, path: str) -> Iterator[tuple[str, ET.Element]]:
    for child in element:
        place = f"{path}{child.tag.rpartition('}')[2]}"
        yield place, child
        yield from _walk(child, f"{place}/")


def differences(theirs: set[str], ours: set[str]) -> set[str]:
    """Return what only they have, with a minus, and what only we have, with a plus."""
    return {f"- {fact}" for fact in theirs - ours} | {f"+ {fact}" for fact in ours - theirs}
