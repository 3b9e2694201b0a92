"""The faults of an answer file: its frame here, lists, values and the setup itself each in a module of theirs."""

from __future__ import annotations

from collections.abc import Iterator

from imgpipe.os_family import Fault, System
from imgpipe_windows.answer.tree import PASSES, PUBLIC_KEY_TOKEN, UNATTEND
from imgpipe_windows.lint.components import ALLOWED, SERVER_ONLY
from imgpipe_windows.lint.lists import list_faults
from imgpipe_windows.lint.setup import setup_faults
from imgpipe_windows.lint.source import Node, Unreadable, parse
from imgpipe_windows.lint.values import value_faults
from imgpipe_windows.systems import RELEASES, Release

_FIXED = {
    # 'wow64' is the 32-bit half of a few components of a 64-bit Windows.
    "processorArchitecture": ("amd64", "wow64"),
    "publicKeyToken": (PUBLIC_KEY_TOKEN,),
    "language": ("neutral",),
    "versionScope": ("nonsxs",),
}
_BY_NAME = {name.lower(): (name, passes) for name, passes in ALLOWED.items()}


def lint(text: str, system: System, firmware: str) -> tuple[Fault, ...]:
    """Return everything that is wrong in an answer file for a system, in the order of its lines."""
    try:
        root = parse(text)
    except Unreadable as error:
        return (Fault(line=error.line, text=str(error)),)
    if (root.name, root.namespace) != ("unattend", UNATTEND):
        return (Fault(line=root.line, text=f"the root element must be 'unattend' of the namespace '{UNATTEND}'"),)
    release = RELEASES[system.name]
    faults = [
        *_frame(root, release),
        *list_faults(root),
        *value_faults(root),
        *setup_faults(root, release, firmware),
    ]
    return tuple(sorted(faults, key=lambda fault: fault.line))


def _frame(root: Node, release: Release) -> Iterator[Fault]:
    # What Microsoft's own editor keeps in a namespace of its own at the end is not Setup's.
    for node in (each for child in root.children if child.namespace == UNATTEND for each in (child, *child.all())):
        if node.namespace != UNATTEND:
            yield Fault(line=node.line, text=f"'{node.name}' is not of the namespace '{UNATTEND}': Setup overlooks it")
    seen: set[str] = set()
    for settings in root.children:
        phase = settings.attributes.get("pass", "")
        if settings.name != "settings" or settings.namespace != UNATTEND:
            if settings.name != "servicing" and settings.namespace == UNATTEND:
                yield Fault(line=settings.line, text=f"'{settings.name}' has no place here; passes are 'settings'")
            continue
        if phase not in PASSES:
            yield Fault(line=settings.line, text=f"there is no pass '{phase}'; there are {', '.join(PASSES)}")
        elif phase in seen:
            yield Fault(line=settings.line, text=f"the pass '{phase}' stands here a second time")
        seen.add(phase)
        yield from _components(settings, phase, release)


def _components(settings: Node, phase: str, release: Release) -> Iterator[Fault]:
    seen: set[str] = set()
    for component in settings.children:
        name = component.attributes.get("name", "")
        if component.name != "component" or not name:
            yield Fault(line=component.line, text="a pass holds 'component' elements, each with a 'name'")
            continue
        one = f"{name} {component.attributes.get('processorArchitecture', '')}".lower()
        if one in seen:
            yield Fault(line=component.line, text=f"'{name}' stands in the pass '{phase}' a second time")
        seen.add(one)
        yield from _component(component, name, phase, release)


def _component(component: Node, name: str, phase: str, release: Release) -> Iterator[Fault]:
    for attribute, wanted in _FIXED.items():
        given = component.attributes.get(attribute, "")
        if given.lower() not in wanted:
            was = f"is '{given}'" if given else "is missing"
            yield Fault(line=component.line, text=f"'{attribute}' of '{name}' {was}; it must be '{wanted[0]}'")
    known, passes = _BY_NAME.get(name.lower(), (name, ()))
    if not passes:
        yield Fault(line=component.line, text=f"'{name}' is a component that is not checked here", severity="warning")
    elif phase in PASSES and phase not in passes:
        text = f"'{name}' has no settings in the pass '{phase}', so they are overlooked; it has in {', '.join(passes)}"
        yield Fault(line=component.line, text=text, severity="warning")
    if known in SERVER_ONLY and release.kind == "client":
        yield Fault(line=component.line, text=f"{release.system.title} has no '{name}'; Windows Server alone has")
