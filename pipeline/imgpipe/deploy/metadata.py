"""The record in a machine's metadata: to XML and back.

The element is `machine` of the namespace below, in the domain's `<metadata>`. What cannot be read is no record, so
that a machine which somebody else described is never taken for ours.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from imgpipe.deploy.existing import MachineRecord, Proven
from imgpipe.errors import RecipeError

NAMESPACE = "https://imgpipe.org/xmlns/machine/1"
PREFIX = "imgpipe"
_TAG = f"{{{NAMESPACE}}}machine"
_MARK = re.compile("[0-9a-f]{16}")
_WORDS = {True: "yes", False: "no"}
_SINGLE = (
    "fleet",
    "group",
    "template",
    "identity",
    "hostname",
    "pool",
    "disk",
    "seed",
    "uuid",
    "fleet_id",
    "mark",
    "state",
    "user",
    "settings",
    "applied",
)


def to_xml(record: MachineRecord) -> str:
    """Return the record as an element that stands in `<metadata>`; raises RecipeError for text that XML cannot hold."""
    ET.register_namespace(PREFIX, NAMESPACE)
    return _written(record, f"{{{NAMESPACE}}}")


def to_bare_xml(record: MachineRecord) -> str:
    """Return the record as virDomainSetMetadata takes it: libvirt puts it into the namespace itself."""
    return _written(record, "")


def from_xml(text: str) -> MachineRecord | None:
    """Return the record in an element, or in a whole domain's XML; None if there is none that can be read."""
    try:
        root = ET.fromstring(text)  # noqa: S314 (libvirt's own words)
    except ET.ParseError:
        return None
    return of_element(root)


def of_element(root: ET.Element) -> MachineRecord | None:
    """Return the record in an element, or in a parsed domain; None if there is none that can be read."""
    element = root if root.tag == _TAG else root.find(f"metadata/{_TAG}")
    if element is None:
        return None
    found = {name: _text(element, _tag(name)) for name in _SINGLE}
    # It becomes part of a file's name.
    found["mark"] = found["mark"] if _MARK.fullmatch(found["mark"]) else ""
    if not (found["template"] and found["disk"] and found["pool"]):
        return None
    # They are deleted with the machine: a path that leads out of the pool is nothing that imgpipe wrote.
    if any("/" in volume or volume in (".", "..") for volume in (found["disk"], found["seed"])):
        return None
    proven = element.find(f"{{{NAMESPACE}}}proven")
    return MachineRecord(
        **found,
        linked=element.get("linked") == "yes",
        complete=element.get("complete") == "yes",
        addresses=_texts(element, "address"),
        host_keys=_texts(element, "host-key"),
        proofs=tuple((made.get("volume", ""), made.text or "") for made in element.iterfind(f"{{{NAMESPACE}}}made")),
        proven=None if proven is None else _proven(proven),
    )


def _written(record: MachineRecord, space: str) -> str:
    root = ET.Element(f"{space}machine", linked=_WORDS[record.linked], complete=_WORDS[record.complete])
    for name in _SINGLE:
        if value := getattr(record, name):
            _add(root, f"{space}{_tag(name)}", value)
    for address in record.addresses:
        _add(root, f"{space}address", address)
    for key in record.host_keys:
        _add(root, f"{space}host-key", key)
    for volume, proof in record.proofs:
        _add(root, f"{space}made", proof, volume=volume)
    if record.proven:
        proven = ET.SubElement(root, f"{space}proven")
        _add(proven, f"{space}hostname", record.proven.hostname)
        _add(proven, f"{space}machine-id", record.proven.machine_id)
        for name, values in (
            ("host-key", record.proven.host_keys),
            ("mac", record.proven.macs),
            ("address", record.proven.addresses),
        ):
            for value in values:
                _add(proven, f"{space}{name}", value)
    return ET.tostring(root, encoding="unicode")


def _tag(name: str) -> str:
    return name.replace("_", "-")


def _proven(element: ET.Element) -> Proven:
    return Proven(
        hostname=_text(element, "hostname"),
        machine_id=_text(element, "machine-id"),
        host_keys=_texts(element, "host-key"),
        macs=_texts(element, "mac"),
        addresses=_texts(element, "address"),
    )


def _add(parent: ET.Element, tag: str, text: str, **attributes: str) -> None:
    if not "".join((text, *attributes.values())).isprintable():
        raise RecipeError(f"The machine's '{tag.rpartition('}')[2]}' has characters that XML cannot hold: {text!r}.")
    ET.SubElement(parent, tag, attributes).text = text


def _text(parent: ET.Element, name: str) -> str:
    return parent.findtext(f"{{{NAMESPACE}}}{name}") or ""


def _texts(parent: ET.Element, name: str) -> tuple[str, ...]:
    return tuple(item.text or "" for item in parent.iterfind(f"{{{NAMESPACE}}}{name}"))
