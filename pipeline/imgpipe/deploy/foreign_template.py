"""A disk that imgpipe did not build, as a template: looked at once, offline and read-only."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from imgpipe.adapters.guest import Guest, open_disk
from imgpipe.deploy.foreign import INTERFACES, PROBED, GuestFacts, personalise_of
from imgpipe.deploy.template import os_id
from imgpipe.deploy.wanted import Template
from imgpipe.disk_source import CheckedDisk
from imgpipe.domain_spec import Accelerator
from imgpipe.importing import system_names
from imgpipe.os_family import Hardware
from imgpipe.own_files import read_own, write_new
from imgpipe.recipe import Machine
from imgpipe.store import Store, finished_file, lock


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What is kept of a look at a disk; `systems` are names that its system may have, the most exact first."""

    facts: GuestFacts
    systems: tuple[str, ...]


_FOUND = TypeAdapter(Found)


def look(disk: CheckedDisk, store: Store, accelerator: Accelerator, *, remember: bool = True) -> Found:
    """Return what is on a disk; the same disk, unchanged, is looked at once. Without `remember` nothing is written.

    Raises RecipeError for a disk that was changed after it was checked, GuestError for one without one readable Linux
    system.
    """
    identity = "\0".join(f"{layer.path}\0{layer.format}\0{layer.state}" for layer in disk.layers)
    kept = store.cache / "foreign" / f"{hashlib.sha256(os.fsencode(identity)).hexdigest()[:16]}.json"
    if known := _known(kept):
        return known
    if not remember:
        return _found(disk, accelerator)
    with lock(store.lock_file(f"foreign-{kept.stem}")):
        # Whoever held the lock meanwhile looked at this very disk.
        if known := _known(kept):
            return known
        found = _found(disk, accelerator)
        with finished_file(kept) as partial:
            write_new(partial, _FOUND.dump_json(found))
    return found


def _found(disk: CheckedDisk, accelerator: Accelerator) -> Found:
    with open_disk(disk, accelerator=accelerator, read_only=True) as guest:
        return Found(facts=_facts(guest), systems=system_names(guest.inspection))


def _known(kept: Path) -> Found | None:
    try:
        return _FOUND.validate_json(read_own(kept))
    except (OSError, ValidationError):
        return None


def foreign_template(
    checked: CheckedDisk, store: Store, accelerator: Accelerator, *, remember: bool = True
) -> Template:
    """Return the template that a foreign disk is. Raises what `look` does, and GuestError without systemd.

    Machines made from it get what its file cannot say: 2 vCPUs, 2 GiB, UEFI where the disk has such a partition.
    """
    path, size = checked.path, checked.virtual_size
    found = look(checked, store, accelerator, remember=remember)
    hardware = Hardware()
    return Template(
        name=re.sub(r"[^A-Za-z0-9_.-]", "-", path.stem).strip("-._")[:64] or "disk",
        version="",
        disk=path,
        sha256="",
        virtual_size=size,
        system=found.systems[-1],
        os_id=next((known for name in reversed(found.systems) if (known := os_id(name))), ""),
        machine=Machine(cpus=2, memory=2 * 2**30, disk=size, firmware="uefi" if found.facts.uefi else "bios"),
        hardware=hardware,
        cache=hardware.cache,
        personalise=personalise_of(found.facts),
        prepared=False,
        size=path.stat().st_size,
        foreign=checked,
    )


def _facts(guest: Guest) -> GuestFacts:
    where = {mountpoint for mountpoint, _ in guest.inspection.mountpoints}
    return GuestFacts(
        distro=guest.inspection.distro,
        version=guest.inspection.version,
        present=frozenset(path for path in PROBED if guest.exists(path)),
        interfaces=(guest.read(INTERFACES) or b"").decode(errors="replace"),
        uefi=bool(where & {"/boot/efi", "/efi"}),
    )
