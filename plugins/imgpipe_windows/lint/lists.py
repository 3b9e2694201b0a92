"""Lists in an answer file: their actions, keys and order."""

from __future__ import annotations

import re
from collections.abc import Iterator

from imgpipe.os_family import Fault
from imgpipe_windows.answer.tree import WCM
from imgpipe_windows.lint.source import Node

_LAST = 500
"""The greatest Order; any sequence with any gaps is run in ascending order (Microsoft's reference, `Order`)."""
_ACTION, _KEY = f"{WCM} action", f"{WCM} keyValue"
# What Setup reads as a list: without the action it takes one item, or none.
_ITEMS = (
    *("CreatePartition", "ModifyPartition", "MetaData", "RunSynchronousCommand", "RunAsynchronousCommand"),
    *("SynchronousCommand", "AsynchronousCommand", "LocalAccount", "FirewallGroup", "Interface", "IpAddress"),
    *("Route", "PathAndCredentials", "Disk"),
)


def list_faults(root: Node) -> Iterator[Fault]:
    """Yield what is wrong with lists anywhere."""
    for parent in root.all():
        by_name: dict[str, list[Node]] = {}
        for child in parent.children:
            by_name.setdefault(child.name, []).append(child)
            yield from _attributes(child)
        for name, items in by_name.items():
            yield from _keys(items)
            yield from _order(name, items)


def _attributes(node: Node) -> Iterator[Fault]:
    for full in node.attributes:
        namespace, _, name = full.rpartition(" ")
        if name in {"action", "keyValue"} and namespace != WCM and node.name != "package":
            yield Fault(line=node.line, text=f"'{name}' of '{node.name}' is not of the namespace '{WCM}' (prefix wcm)")
    if node.name in _ITEMS and node.attributes.get(_ACTION) not in {"add", "remove", "modify"}:
        yield Fault(line=node.line, text=f"'{node.name}' is an item of a list and needs wcm:action=\"add\"")


def _keys(items: list[Node]) -> Iterator[Fault]:
    seen: set[str] = set()
    for item in items:
        key = item.attributes.get(_KEY)
        if key is not None and key in seen:
            text = f"two items '{item.name}' have the wcm:keyValue '{key}'"
            yield Fault(line=item.line, text=text, severity="warning")
        seen.add(key or "")


def _order(name: str, items: list[Node]) -> Iterator[Fault]:
    ordered = [item for item in items if item.child("Order")]
    if not ordered:
        return
    seen: set[int] = set()
    for item in ordered:
        order = item.child("Order")
        if order is None:
            continue
        given = order.text.strip()
        number = int(given) if re.fullmatch(r"[0-9]{1,3}", given) else 0
        if not 1 <= number <= _LAST:
            yield Fault(
                line=order.line, text=f"the Order of this '{name}' is '{given}'; it is a number of 1 to {_LAST}"
            )
        elif number in seen:
            yield Fault(line=order.line, text=f"two items '{name}' have the Order {number}")
        seen.add(number)
    if len(ordered) < len(items):
        missing = next(item for item in items if not item.child("Order"))
        yield Fault(line=missing.line, text=f"this '{name}' has no Order, and others have")
