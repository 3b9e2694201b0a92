"""NICs of a machine that an image was imported from: where clones are plugged in if nobody says otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal
from xml.etree import ElementTree as ET

from pydantic import TypeAdapter, ValidationError

from imgpipe.disclosure import one_line
from imgpipe.libvirt_words import described
from imgpipe.recipe import Identifier, InterfaceName

Plug = Literal["bridge", "network", "user"]
MOST_NICS = 16
"""How many NICs a machine of a fleet may have."""
_NAMES: tuple[tuple[Plug, TypeAdapter[str]], ...] = (
    ("bridge", TypeAdapter(InterfaceName)),
    ("network", TypeAdapter(Identifier)),
)
# What machines that imgpipe makes cannot have: their NIC would be plugged in, but into something else.
_MORE = ("virtualport", "vlan", "source[@portgroup]")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceNic:
    """What a NIC is plugged into; `source` is the name of the bridge or of libvirt's network, empty for QEMU's own.

    Raises ValueError for a name that no machine of imgpipe's could be plugged into.
    """

    plug: Plug
    source: str = ""

    def __post_init__(self) -> None:
        for plug, name in _NAMES:
            if self.plug == plug:
                name.validate_python(self.source)

    @property
    def told(self) -> str:
        """Return it in words."""
        return f"the {self.plug} '{self.source}'" if self.source else "QEMU's own NAT"


def known(nic: SourceNic) -> SourceNic:
    """Return the NIC; raises ValueError where its source can be no name of what it is plugged into."""
    for plug, name in _NAMES:
        if nic.plug == plug:
            try:
                name.validate_python(nic.source)
            except ValidationError:
                raise ValueError(f"must be the name of a {plug}") from None
    return nic


def source_nics(xml: str) -> tuple[tuple[SourceNic, ...], tuple[str, ...]]:
    """Return a definition's NICs in order, and sentences about those that no deploy could make.

    The elements are those of https://libvirt.org/formatdomain.html#network-interfaces.
    """
    nics: list[SourceNic] = []
    without: list[str] = []
    for number, element in enumerate(described(xml).iterfind("devices/interface"), 1):
        nic = _nic(element)
        if nic and len(nics) == MOST_NICS:
            without.append(f"NIC {number} is not taken over: a machine may have at most {MOST_NICS}.")
        elif nic:
            nics.append(nic)
        else:
            without.append(f"NIC {number} is not taken over: {', '.join(_words(element))}.")
    return tuple(nics), tuple(without)


def _nic(element: ET.Element) -> SourceNic | None:
    if any(element.find(more) is not None for more in _MORE):
        return None
    if element.get("type") == "user":
        return SourceNic(plug="user")
    source = element.find("source")
    for plug, _ in _NAMES:
        if element.get("type") == plug and source is not None:
            try:
                return SourceNic(plug=plug, source=source.get(plug, ""))
            except ValidationError:
                return None
    return None


def _words(element: ET.Element) -> Iterator[str]:
    """Yield what a definition says of a NIC that matters here."""
    yield f"type {one_line(element.get('type', ''), 40)}"
    for source in element.findall("source"):
        yield from (one_line(f"{name} {value}", 80) for name, value in source.attrib.items())
    yield from (more for more in ("virtualport", "vlan") if element.find(more) is not None)
