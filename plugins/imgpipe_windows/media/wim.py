"""The images in a WIM file, by its header and the XML that it carries; no image is unpacked.

Format: Microsoft's "Windows Imaging File Format (WIM)" white paper; the XML is UTF-16LE with a byte order mark. An
.esd differs in how images are packed, not in these; the first part of a split image (.swm) has the same XML.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from imgpipe.errors import RecipeError
from imgpipe.os_family import MediumContent

PATTERNS = ("sources/install.wim", "sources/install.esd", "sources/install.swm")
_MAGIC = b"MSWIM\0\0\0"
_HEADER = 208
_XML_RESOURCE = 72
_MOST_XML = 8 * 2**20
_COMPRESSED = 0x04
_LONGEST = 200
_ARCHITECTURES = {"0": "x86", "5": "arm", "6": "ia64", "9": "x64", "12": "arm64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One edition: what its XML says, made printable and bounded; `build` is 0 where it says nothing."""

    index: int
    name: str
    title: str = ""
    edition_id: str = ""
    architecture: str = ""
    build: int = 0
    is_server: bool = False
    languages: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Describe the image in one line."""
        spoken = f", {' '.join(self.languages)}" if self.languages else ""
        shown = f" ({self.title})" if self.title and self.title != self.name else ""
        return f"{self.index}: {self.name}{shown}, {self.architecture or 'no architecture'}, build {self.build}{spoken}"


def read_images(medium: MediumContent) -> tuple[Image, ...]:
    """Return the images of a Windows medium, in order.

    Raises RecipeError if it has none, or if its XML cannot be read.
    """
    path = next((path for path in PATTERNS if medium.is_file(path)), None)
    if path is None:
        raise RecipeError(
            "The medium has no 'sources/install.wim', '.esd' or '.swm', so it does not install Windows.",
            hint="Use Microsoft's installation ISO; one that offers x86 and x64 together must be split first.",
        )
    return tuple(_images(_xml(medium, path), path))


def _xml(medium: MediumContent, path: str) -> str:
    header = medium.read_part(path, 0, _HEADER)
    if len(header) < _HEADER or not header.startswith(_MAGIC):
        raise _damaged(path, "it does not begin as a WIM file does")
    packed, offset, length = struct.unpack_from("<QQQ", header, _XML_RESOURCE)
    flags, stored = packed >> 56, packed & ((1 << 56) - 1)
    if flags & _COMPRESSED or stored != length:
        raise _damaged(path, "its description is compressed")
    if not 0 < length <= _MOST_XML:
        raise _damaged(path, f"its description has {length} bytes")
    data = medium.read_part(path, offset, length)
    if len(data) != length:
        raise _damaged(path, "the file ends before its description does")
    try:
        return data.decode("utf-16-le").removeprefix("\ufeff")
    except UnicodeDecodeError:
        raise _damaged(path, "its description is not UTF-16") from None


def _images(text: str, path: str) -> Iterator[Image]:
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise _damaged(path, "its description declares entities")
    try:
        root = ET.fromstring(text)  # noqa: S314 (bounded, and without entities)
    except ET.ParseError as error:
        raise _damaged(path, f"its description is no XML ({error})") from None
    for element in root.findall("IMAGE"):
        windows = element.find("WINDOWS")
        windows = ET.Element("WINDOWS") if windows is None else windows
        yield Image(
            index=_number(element.get("INDEX", "")),
            name=_said(element, "NAME"),
            title=_said(element, "DISPLAYNAME"),
            edition_id=_said(windows, "EDITIONID"),
            architecture=_ARCHITECTURES.get(_said(windows, "ARCH"), ""),
            build=_number(_said(windows, "VERSION/BUILD")),
            is_server=_said(windows, "PRODUCTTYPE").lower() == "servernt",
            languages=tuple(_clean(one.text) for one in windows.findall("LANGUAGES/LANGUAGE")[:50]),
        )


def _said(element: ET.Element, path: str) -> str:
    return _clean(element.findtext(path))


def _clean(text: str | None) -> str:
    return "".join(character for character in text or "" if character.isprintable()).strip()[:_LONGEST]


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _damaged(path: str, why: str) -> RecipeError:
    return RecipeError(
        f"The image file '{path}' of the medium cannot be read: {why}.",
        hint="Compare the medium's checksum with the publisher's.",
    )
