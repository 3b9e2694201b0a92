"""Import: the disk of a machine that is already there becomes an InstalledDisk, as if it had been installed here."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from imgpipe.adapters import held_disk, qemu_img
from imgpipe.adapters.guest import Inspection, open_disk
from imgpipe.adapters.sparse_copy import new_file
from imgpipe.artifacts import InstalledDisk
from imgpipe.checks import identity_checks
from imgpipe.disclosure import one_line
from imgpipe.disk_source import CheckedDisk, Format, check_source, held
from imgpipe.domains import INSTALL_DISK
from imgpipe.errors import RecipeError
from imgpipe.events import Note
from imgpipe.home import in_home
from imgpipe.host.room import allocated, require_space
from imgpipe.os_family import Account, OsFamily, Proof
from imgpipe.own_files import is_own, read_own, write_new
from imgpipe.plan import Plan
from imgpipe.planning import Given, make_plan
from imgpipe.plugins import Plugins
from imgpipe.recipe import Identifier
from imgpipe.recipe_files import RecipeFolders
from imgpipe.source_nics import source_nics
from imgpipe.store import finished_file, lock
from imgpipe.workplace import Workplace

_INSPECTION = TypeAdapter(Inspection)
_NAME: TypeAdapter[str] = TypeAdapter(Identifier)


def import_disk(
    name: str, source: Path, workplace: Workplace, *, told: Format | None = None, trusted: Sequence[Path] = ()
) -> InstalledDisk:
    """Copy a qcow2 or raw disk, backing files merged in, and look which system it holds; the source never changes.

    `told` is its format, where somebody knows it; its backing files must be below a `trusted` folder, or published.
    The same source, unchanged, is copied and inspected once. Raises RecipeError for a name that no image can have and
    for a disk that must not be trusted, GuestError for one without a system that can be sealed.
    """
    require_image_name(name)
    checked = check_source(in_home(source), told, trusted=trusted, images=workplace.store.images)
    identity = "\0".join((name, *(f"{layer.path}\0{layer.format}\0{layer.state}" for layer in checked.layers)))
    key = f"import-{hashlib.sha256(os.fsencode(identity)).hexdigest()[:16]}"
    folder = workplace.store.work(key)
    start = time.monotonic()
    # Held for as long as the copy is made, so that it is not taken for what a killed import left.
    held_by = workplace.store.lock_file(f"work-{key}-import")
    with lock(held_by, lambda holder: workplace.notify(Note(text=f"Waiting for {holder}."))):
        try:
            _copy(checked, folder / INSTALL_DISK)
        except BaseException:
            # Nothing was made in it; another import's files keep it.
            with suppress(OSError):
                folder.rmdir()
            raise
        if _inspection(folder) is None:
            accelerator = workplace.hypervisor.accelerator()
            log = folder / "inspect.log"
            with open_disk(folder / INSTALL_DISK, accelerator=accelerator, read_only=True, log=log) as guest:
                found = guest.inspection
            with finished_file(folder / "inspection.json") as partial:
                write_new(partial, _INSPECTION.dump_json(found))
    return InstalledDisk(path=folder / INSTALL_DISK, folder=folder, key=key, seconds=time.monotonic() - start)


def require_image_name(name: str) -> None:
    """Raise RecipeError for a name that no image can have, before anything is made for it."""
    try:
        _NAME.validate_python(name)
    except ValidationError:
        raise RecipeError(
            f"'{one_line(name)[:80]}' is no name for an image.",
            hint="Names begin with a letter or digit, and have letters, digits, '.', '_' and '-', at most 64.",
        ) from None


def _copy(checked: CheckedDisk, disk: Path) -> None:
    if not is_own(disk):
        require_space(disk.parent, allocated(checked))
        with finished_file(disk) as partial, held(checked.layers) as files, new_file(partial):
            held_disk.adopt(files, partial)


def imported_plan(
    name: str, recipe: str | None, installed: InstalledDisk, folders: RecipeFolders, plugins: Plugins
) -> Plan:
    """Return the plan of sealing, verifying and publishing an imported disk: no medium, no proof.

    Without `recipe`, the built-in one of the system that was found on the disk is taken.
    """
    found = _inspection(installed.folder)
    wanted = recipe or _system_of(found, plugins.families)
    chosen = folders.load(wanted)
    size = qemu_img.info(installed.path).virtual_size
    machine = chosen.machine.model_copy(update={"disk": size})
    # Nothing is installed, so nobody's password is asked for: every account is a locked one in the plan.
    locked = {user: Account(name=user) for user in ("root", *(user.name for user in chosen.guest.users))}
    plan = make_plan(chosen.model_copy(update={"name": name, "machine": machine}), plugins, Given(accounts=locked))
    no_proof = Proof(console="", failure="", file="", content="")
    # Nobody installed it by this recipe, so it owes the recipe nothing: only what holds of any image is checked.
    return dataclasses.replace(
        plan,
        unattended=dataclasses.replace(plan.unattended, proof=no_proof),
        checks=tuple(identity_checks()),
        logins=None,
        notes=(_LOGINS, *plan.notes[1:]),
    )


def with_source_nics(plan: Plan, name: str, xml: str) -> Plan:
    """Return the plan of an import with the NICs of the machine `name`, whose definition is `xml`."""
    nics, without = source_nics(xml)
    notes = [f"'{name}': {text}" for text in without]
    if nics:
        told = ", ".join(nic.told for nic in nics)
        notes.append(f"Machines get NICs like those of '{name}' where their deploy names none: {told}.")
    return dataclasses.replace(plan, source_nics=nics, notes=(*plan.notes, *notes))


def system_names(found: Inspection) -> tuple[str, ...]:
    """Return the names that a system like this one may have, the most exact first: 'ubuntu24.04', 'rocky9'."""
    # libguestfs knows some only as kin of Red Hat's, or not at all; their product says more.
    distro = found.distro
    if distro in _ONLY_KIN:
        word = re.match(r"[A-Za-z]+", found.product)
        distro = word[0].lower() if word else ""
    distro = _OUR_NAMES.get(distro, distro)
    return (f"{distro}{found.version}", f"{distro}{found.version.partition('.')[0]}")


_LOGINS = (
    "Who could log in to the disk can log in to this image: no password is changed, and no authorized key removed."
)
_ONLY_KIN = ("", "rhel", "redhat-based")
_OUR_NAMES = {"centos": "centos-stream", "euleros": "openeuler"}


def _system_of(found: Inspection | None, families: tuple[OsFamily, ...]) -> str:
    known = {system.name for family in families for system in family.systems}
    names = system_names(found) if found else ()
    for name in names:
        if name in known:
            return name
    shown = found.product if found else "unknown"
    raise RecipeError(
        f"No plugin knows the system on this disk, '{shown}'.",
        hint="Name the nearest recipe with '--recipe'; 'imgpipe recipes list' shows all.",
    )


def _inspection(folder: Path) -> Inspection | None:
    try:
        return _INSPECTION.validate_json(read_own(folder / "inspection.json"))
    except (OSError, ValidationError):
        return None
