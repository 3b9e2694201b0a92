"""NICs that nobody named: those of imgpipe.toml, else those of the machine that the image was imported from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from imgpipe.deploy.fleet import Fleet
from imgpipe.deploy.wanted import Template
from imgpipe.source_nics import SourceNic

_SETTINGS = "'bridges' in imgpipe.toml"


def default_nics(bridges: Sequence[str], template: Template | None) -> tuple[tuple[SourceNic, ...], str]:
    """Return the NICs of machines for which none are named, and what names them; nothing where nothing does."""
    if bridges:
        return tuple(SourceNic(plug="bridge", source=bridge) for bridge in bridges), _SETTINGS
    if template and template.nics:
        return template.nics, f"the machine that '{template.reference}' was imported from"
    return (), ""


def with_default_nics(
    fleet: Fleet, bridges: Sequence[str], templates: Mapping[str, Template], *, unnamed: bool = False
) -> tuple[Fleet, dict[str, str]]:
    """Return the fleet with NICs for the groups that name none, and by group what names them.

    Where all NICs are `unnamed`, those that the fleet has are such, with addresses already.
    """
    bare = fleet.without_nics()
    found = {
        name: default_nics(bridges, templates.get(fleet.group(name).template or ""))
        for name in (fleet.groups if unnamed else bare)
    }
    filled = fleet.with_nics({name: nics for name, (nics, _) in found.items() if nics and name in bare})
    return filled, {name: where for name, (_, where) in found.items() if where}
