"""The templates that a fleet names, and those that its machines were made from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from shlex import quote

from imgpipe.deploy.existing import ExistingMachine
from imgpipe.deploy.fleet import Fleet, is_disk
from imgpipe.deploy.template import of_image
from imgpipe.deploy.wanted import Template
from imgpipe.errors import HostError, ImgpipeError, RecipeError
from imgpipe.images.catalog import find
from imgpipe.images.soundness import require_whole
from imgpipe.os_family import OsFamily, System
from imgpipe.store import Store

_DISKS = frozenset({".qcow2", ".raw", ".img"})
"""Ends of file names that no image's name has: what ends so is a disk's."""


def load_templates(
    fleet: Fleet,
    machines: Iterable[ExistingMachine],
    store: Store,
    foreign: Callable[[Path], Template],
    families: Sequence[OsFamily] = (),
    is_recipe: Callable[[str], bool] = lambda _: False,
) -> dict[str, Template]:
    """Return templates by what they are called; `foreign` makes one of a disk that imgpipe did not build.

    What the fleet names and the catalog does not have is left out, unless that is all: then the error says so.
    Raises HostError for an image that is not as large as its manifest says.
    """
    named = {shape.template: None for shape in fleet.shapes().values() if shape.template}
    found: dict[str, Template] = {}
    missing: list[RecipeError] = []
    for reference in named:
        try:
            found[reference] = foreign(Path(reference)) if is_disk(reference) else of_catalog(store, reference)
        except RecipeError as error:
            missing.append(_with_hint(error, reference, is_recipe))
    if missing and not found:
        raise missing[0]
    records = [machine.record for machine in machines if machine.record and machine.record.fleet == fleet.name]
    for reference in {record.template: None for record in records if "@" in record.template}:
        try:
            found.setdefault(reference, of_catalog(store, reference))
        except ImgpipeError:
            # Machines outlive the version that they were copied from; its name is enough then.
            continue
    known = {system.name: (family, system) for family in families for system in family.systems}
    return {name: _of_plugin(template, *known.get(template.system, (None, None))) for name, template in found.items()}


def require_templates(fleet: Fleet, store: Store, is_recipe: Callable[[str], bool] = lambda _: False) -> None:
    """Raise RecipeError, as `load_templates` does, where the catalog has none of a fleet's images; disks may be any."""
    named = [shape.template for shape in fleet.shapes().values() if shape.template]
    missing: list[RecipeError] = []
    for reference in () if any(map(is_disk, named)) else named:
        try:
            find(store, reference)
        except RecipeError as error:
            missing.append(_with_hint(error, reference, is_recipe))
    if missing and len(missing) == len(named):
        raise missing[0]


def _with_hint(error: RecipeError, reference: str, is_recipe: Callable[[str], bool]) -> RecipeError:
    """Return the error about an image that is not there, with what makes it, or how what was meant is written."""
    if is_recipe(reference):
        hint = f"Build it: 'imgpipe build {quote(reference)}'."
    elif is_disk(reference):
        hint = "Name a disk that is there: a qcow2 or raw file."
    elif Path(reference).suffix in _DISKS:
        hint = f"A disk is given with its folder, './{reference}', or as '--import {quote(reference)}'."
    else:
        return error
    # Names that are near, and there, stand among the details.
    return RecipeError(str(error), hint=hint, details=error.details)


def _of_plugin(template: Template, family: OsFamily | None, system: System | None) -> Template:
    """Return the template with what the plugin of its system says of machines; it may be gone."""
    if family is None or system is None:
        return template
    return replace(template, own_files=family.personalise_files, least_memory=system.memory)


def of_catalog(store: Store, reference: str) -> Template:
    """Return the template that `NAME` or `NAME@VERSION` means; raises RecipeError, or HostError if it is damaged."""
    image = find(store, reference)
    size = image.disk.stat().st_size
    if size != image.manifest.image.size:
        raise HostError(
            f"The disk of '{image.reference}' has {size} bytes, but its manifest says {image.manifest.image.size}.",
            hint=f"Run 'imgpipe images verify {image.reference}', and build it again.",
        )
    require_whole(image)
    return of_image(image)
