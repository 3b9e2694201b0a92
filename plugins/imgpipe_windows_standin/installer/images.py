"""The images of an install.wim, by the XML at its end.

Format: Microsoft's "Windows Imaging File Format" white paper; resource headers are 24 bytes.
"""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

_XML_RESOURCE = 72
_LONGEST = 2**20


class NoImageError(Exception):
    """No image of the file is the one that is asked for."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image of the file."""

    index: int
    name: str
    description: str


def read_images(wim: Path) -> list[Image]:
    """Return the images of a file, in their order."""
    with wim.open("rb") as file:
        header = file.read(208)
        # Seven bytes of size and one of flags; then offset and original size.
        size, offset = struct.unpack_from("<QQ", header, _XML_RESOURCE)
        file.seek(offset)
        text = file.read(min(size & (2**56 - 1), _LONGEST)).decode("utf-16")
    root = ET.fromstring(text)  # noqa: S314 (the medium is ours)
    return [
        Image(
            index=int(element.get("INDEX", "0")),
            name=element.findtext("NAME", ""),
            description=element.findtext("DESCRIPTION", ""),
        )
        for element in root.iterfind("IMAGE")
    ]


def choose(images: list[Image], key: str, value: str) -> Image:
    """Return the image that the answer file's key and value name, or raise NoImageError with what there is."""
    for image in images:
        known = {"/IMAGE/INDEX": str(image.index), "/IMAGE/NAME": image.name, "/IMAGE/DESCRIPTION": image.description}
        if known.get(key, "").lower() == value.lower() != "":
            return image
    names = ", ".join(f"'{image.name}'" for image in images)
    raise NoImageError(f"No images are available: '{key}' is to be '{value}', and there are {names}.")
