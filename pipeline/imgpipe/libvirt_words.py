"""What libvirt says in XML. A daemon may be of another host, or another version: what cannot be read is a sentence."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from imgpipe.errors import HostError

_NUMBER = re.compile(r"[0-9]{1,18}")
_HINT = "See what 'virsh dumpxml' and 'virsh pool-dumpxml' print: is the daemon what it should be?"


def described(text: object) -> ET.Element:
    """Return what a description says; raises HostError for one that is no XML.

    Entities of files are not read, and expat bounds what entities may grow to.
    """
    try:
        return ET.fromstring(text)  # type: ignore[arg-type]  # noqa: S314 (see above)
    except (ET.ParseError, TypeError, ValueError) as error:
        raise HostError(
            "libvirt described something in XML that cannot be read.", hint=_HINT, details=(str(error),)
        ) from None


def number_in(element: ET.Element, path: str) -> int:
    """Return the number in a part of a description, 0 where there is no such part; HostError for what is none."""
    text = (element.findtext(path) or "0").strip()
    if not _NUMBER.fullmatch(text):
        raise HostError(f"libvirt's '{path}' of '{element.findtext('name') or '?'}' is no number.", hint=_HINT)
    return int(text)
