"""The frame of an unattend answer file: passes, components and their list items.

Format: Microsoft's Unattended Windows Setup Reference. Names are written without prefix, under a default namespace;
ElementTree escapes every text.
"""

from __future__ import annotations

from xml.etree import ElementTree as ET

UNATTEND = "urn:schemas-microsoft-com:unattend"
WCM = "http://schemas.microsoft.com/WMIConfig/2002/State"
PUBLIC_KEY_TOKEN = "31bf3856ad364e35"  # noqa: S105 (of Microsoft's public key)
FIREWALL = "Networking-MPSSVC-Svc"
PASSES = ("windowsPE", "offlineServicing", "generalize", "specialize", "auditSystem", "auditUser", "oobeSystem")


class AnswerTree:
    """An answer file that is being written; passes stand in the order in which Setup runs them."""

    def __init__(self, blinding: str) -> None:
        self._root = ET.Element("unattend", {"xmlns": UNATTEND, "xmlns:wcm": WCM})
        # A digest of this file is kept with the image: with an unknown line in it, no guess at the password can be
        # tried against that digest.
        self._root.append(ET.Comment(f" {blinding} "))
        self._passes = {name: ET.Element("settings", {"pass": name}) for name in PASSES}

    def component(self, phase: str, name: str) -> ET.Element:
        """Add a component of Windows to a pass; `name` without the 'Microsoft-Windows-' that all but one have."""
        return ET.SubElement(
            self._passes[phase],
            "component",
            {
                "name": name if name == FIREWALL else f"Microsoft-Windows-{name}",
                "processorArchitecture": "amd64",
                "publicKeyToken": PUBLIC_KEY_TOKEN,
                "language": "neutral",
                "versionScope": "nonSxS",
            },
        )

    def text(self) -> str:
        """Return the file's text; passes without a component are left out."""
        for settings in self._passes.values():
            if len(settings):
                self._root.append(settings)
        ET.indent(self._root)
        return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(self._root, encoding="unicode") + "\n"


def put(parent: ET.Element, **values: str | int | bool) -> None:
    """Add one element for each value, in order; True and False are written as XML Schema has them."""
    for name, value in values.items():
        ET.SubElement(parent, name).text = str(value).lower() if isinstance(value, bool) else str(value)


def under(parent: ET.Element, *names: str) -> ET.Element:
    """Add an element within an element, and so on; return the innermost."""
    for name in names:
        parent = ET.SubElement(parent, name)
    return parent


def item(parent: ET.Element, name: str, key: str = "") -> ET.Element:
    """Add an item of a list, with the key by which it is known where it has one."""
    return ET.SubElement(parent, name, {"wcm:action": "add", **({"wcm:keyValue": key} if key else {})})
