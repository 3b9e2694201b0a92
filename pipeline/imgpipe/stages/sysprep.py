"""Sysprep: a copy of the installed disk is generalized offline, in one launch, and then asked whether it is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from imgpipe.adapters import qemu_img
from imgpipe.adapters.guest import Guest, open_disk
from imgpipe.adapters.volume import open_volume_disk
from imgpipe.artifacts import InstalledDisk, SealedDisk, SealedState
from imgpipe.errors import GuestError
from imgpipe.events import Listener, Note, Progress
from imgpipe.offline_edits import Absent, Remove, Sealed, Step
from imgpipe.operations import CORE
from imgpipe.os_family import Proof
from imgpipe.own_files import is_own, read_own, write_new
from imgpipe.plan import Plan
from imgpipe.sealed_secrets import SECRET_PLACES, passwords
from imgpipe.stages import self_sealed
from imgpipe.store import finished_file
from imgpipe.workplace import Workplace

# What two clones must never share; claimed even where a plugin's or a site's operation replaced the core's.
VITAL = ("machine-id", "ssh-hostkeys", "random-seed", "dhcp-leases", "network-manager-state")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    """What is kept beside a sealed disk."""

    state: SealedState
    seconds: float


_RECORD = TypeAdapter(_Record)


def seal(plan: Plan, disk: InstalledDisk, workplace: Workplace) -> SealedDisk:
    """Seal an overlay of `disk`, which itself is never changed; what the same plan sealed before is reused.

    A system that sealed itself is judged by its own proof, and only rid of what it could not remove. Raises GuestError
    if the installation's proof is missing, or with every claim that does not hold afterwards.
    """
    key = plan.seal_key(disk.key)
    folder = workplace.store.work(disk.key)
    path = folder / f"sealed-{key}.qcow2"
    beside = path.with_suffix(".json")
    record = _kept(beside)
    if record and is_own(path):
        return SealedDisk(path=path, folder=folder, key=key, state=record.state, seconds=record.seconds, reused=True)
    beside.unlink(missing_ok=True)
    start = time.monotonic()
    with finished_file(path) as partial:
        qemu_img.create_overlay(partial, backing=disk.path)
        state = _sealed_state(plan, partial, folder / "sysprep.log", workplace)
    record = _Record(state=state, seconds=time.monotonic() - start)
    with finished_file(beside) as partial:
        write_new(partial, _RECORD.dump_json(record))
    return SealedDisk(path=path, folder=folder, key=key, state=state, seconds=record.seconds)


def _sealed_state(plan: Plan, overlay: Path, log: Path, workplace: Workplace) -> SealedState:
    accelerator, sealing = workplace.hypervisor.accelerator(), plan.unattended.sealing
    if sealing:
        with open_volume_disk(overlay, accelerator=accelerator, log=log) as volume:
            return self_sealed.edit(plan, sealing, volume, workplace.notify)
    with open_disk(overlay, accelerator=accelerator, log=log) as guest:
        return _edit(plan, guest, workplace.notify)


def _kept(beside: Path) -> _Record | None:
    try:
        return _RECORD.validate_json(read_own(beside))
    except (OSError, ValidationError):
        return None


def _edit(plan: Plan, guest: Guest, notify: Listener) -> SealedState:
    proof = plan.unattended.proof
    _prove(proof, guest)
    notify(Progress(stage="sysprep", phase="Reading the list of packages", percent=50))
    release, listed = guest.release(), guest.packages()
    if not listed.packages:
        notify(Note(text="No package database of the image can be read: its SBOM will name no packages.", warning=True))
    notify(Progress(stage="sysprep", phase=f"Running {len(plan.operations)} operations", percent=60))
    guest.apply(_steps(plan))
    guest.relabel()
    notify(Progress(stage="sysprep", phase="Checking that nothing is left", percent=80))
    asserted = _assert_sealed(plan, guest, notify)
    notify(Progress(stage="sysprep", phase="Freeing unused blocks", percent=95))
    for where in guest.trim():
        notify(Note(text=f"The unused blocks of the file system at '{where}' cannot be freed."))
    found = guest.inspection
    return SealedState(
        product=found.product or release.title,
        distro=found.distro or release.id,
        version=found.version if found.distro else release.version,
        package_format=listed.format,
        operations=tuple(operation.name for operation in plan.operations),
        asserted=asserted,
        packages=listed.packages,
        release=release,
    )


def _prove(proof: Proof, guest: Guest) -> None:
    """Raise GuestError unless the answer file's last act is on the disk; a disk from elsewhere has no proof."""
    if not proof.file:
        return
    content = guest.read(proof.file)
    if content is None or content.decode(errors="replace").strip() != proof.content.strip():
        raise GuestError(
            f"The installation did not finish: '{proof.file}' on the disk is "
            + ("missing." if content is None else "not what the answer file writes at its end."),
            hint="Look at the installer's console log in the work folder, then build again.",
        )


def _steps(plan: Plan) -> Iterator[Step]:
    for operation in plan.operations:
        yield from operation.steps
    if plan.unattended.proof.file:
        yield Remove(patterns=(plan.unattended.proof.file,))


def _assert_sealed(plan: Plan, guest: Guest, notify: Listener) -> tuple[str, ...]:
    held, broken = [], []
    for name, claim in _claims(plan, notify):
        faults = _faults(claim, guest)
        if faults:
            broken += [f"{name}: {fault}" for fault in faults]
        else:
            held.append(_sentence(name, claim))
    secrets = passwords(plan)
    if secrets:
        leaks = [path for path in guest.search(SECRET_PLACES, secrets) if path != "/etc/shadow"]
        broken += [f"'{path}' holds a password of the answer file" for path in leaks]
        held.append("No password of the answer file is where installers leave copies, other than in /etc/shadow.")
    if broken:
        raise GuestError(
            f"The disk of '{plan.name}' is not sealed: {len(broken)} claims do not hold.",
            hint="Add an operation that removes what is named here, or disable the one that claims it.",
            details=broken,
        )
    return tuple(held)


def _claims(plan: Plan, notify: Listener) -> Iterator[tuple[str, Sealed]]:
    """Yield every claim once, those of the core's vital operations whoever replaced them."""
    running = {operation.name: operation for operation in plan.operations}
    core = {operation.name: operation for operation in CORE}
    for name in VITAL:
        if name not in running:
            notify(Note(text=f"Sealed without '{name}', as the recipe says: clones will share it.", warning=True))
    for name, operation in running.items():
        vital = core[name].sealed if name in VITAL else ()
        for claim in dict.fromkeys((*operation.sealed, *vital)):
            yield name, claim


def _faults(claim: Sealed, guest: Guest) -> list[str]:
    if isinstance(claim, Absent):
        return [f"'{path}' is still there" for path in guest.remains(claim)]
    size = guest.size(claim.path)
    if size == 0:
        return []
    return [f"'{claim.path}' is {'missing' if size is None else 'not empty'}"]


def _sentence(name: str, claim: Sealed) -> str:
    return f"{name}: {claim.sentence}"
