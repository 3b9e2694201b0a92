"""Import: the disk of a machine that is already there becomes an InstalledDisk, as if it had been installed here."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import time
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from imgpipe.adapters import qemu_img
from imgpipe.adapters.guest import Inspection, open_disk
from imgpipe.artifacts import InstalledDisk
from imgpipe.checks import identity_checks
from imgpipe.disk_source import check_source
from imgpipe.errors import RecipeError
from imgpipe.home import in_home
from imgpipe.os_family import Account, OsFamily, Proof
from imgpipe.plan import Plan
from imgpipe.planning import Given, make_plan
from imgpipe.plugins import Plugins
from imgpipe.recipe_files import RecipeFolders
from imgpipe.store import finished_file
from imgpipe.workplace import Workplace

_INSPECTION = TypeAdapter(Inspection)


def import_disk(name: str, source: Path, workplace: Workplace) -> InstalledDisk:
    """Copy a qcow2 or raw disk, backing files merged in, and look which system it holds; the source never changes.

    The same source, unchanged, is copied and inspected once. Raises RecipeError for a disk that must not be trusted,
    GuestError for one without a system that can be sealed.
    """
    source = in_home(source).absolute()
    form = check_source(source, trusted=(workplace.store.root,))
    status = source.stat()
    identity = f"{name}\0{source}\0{status.st_ino}\0{status.st_size}\0{status.st_mtime_ns}"
    key = f"import-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"
    folder = workplace.store.work(key)
    start = time.monotonic()
    disk = folder / "installed.qcow2"
    if not disk.exists():
        with finished_file(disk) as partial:
            qemu_img.adopt(source, form, partial)
            partial.chmod(0o600)
    if _inspection(folder) is None:
        accelerator = workplace.hypervisor.accelerator()
        with open_disk(disk, accelerator=accelerator, read_only=True, log=folder / "inspect.log") as guest:
            found = guest.inspection
        with finished_file(folder / "inspection.json") as partial:
            partial.write_bytes(_INSPECTION.dump_json(found))
    return InstalledDisk(path=disk, folder=folder, key=key, seconds=time.monotonic() - start)


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
    )


def system_names(found: Inspection) -> tuple[str, ...]:
    """Return the names that a system like this one may have, the most exact first: 'ubuntu24.04', 'rocky9'."""
    # libguestfs knows some only as kin of Red Hat's, or not at all; their product says more.
    distro = found.distro
    if distro in _ONLY_KIN:
        word = re.match(r"[A-Za-z]+", found.product)
        distro = word[0].lower() if word else ""
    distro = _OUR_NAMES.get(distro, distro)
    return (f"{distro}{found.version}", f"{distro}{found.version.partition('.')[0]}")


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
        return _INSPECTION.validate_json((folder / "inspection.json").read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
