"""Identities for disks that have no unit of imgpipe's: written offline, many in one appliance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from imgpipe.adapters.batch_guest import Edited, Refused, inject
from imgpipe.deploy.foreign import clone_claims, clone_steps
from imgpipe.deploy.own_files import own_files
from imgpipe.deploy.wanted import WantedMachine
from imgpipe.domain_spec import Accelerator
from imgpipe.emulated_boot import patient_steps
from imgpipe.errors import GuestError
from imgpipe.self_sealing import SystemVolume

Disks = Sequence[tuple[WantedMachine, Path]]


def injection(accelerator: Callable[[], Accelerator], log: Path) -> Callable[[Disks], None]:
    """Return what makes the disks of machines their own before they start; it asks for the accelerator when called.

    A family that answers with files of its own has those written; any other Linux gets the unit that applies what
    the machine's definition carries, and longer waits where machines are emulated. Raises GuestError that names
    every machine whose disk could not be edited.
    """

    def inject_all(disks: Disks) -> None:
        patient = patient_steps(accelerator())
        linux = [
            (path, (*clone_steps(machine.identity.hostname), *patient)) for machine, path in disks if not _own(machine)
        ]
        own = _by_volume(disks)
        log.parent.mkdir(parents=True, exist_ok=True)
        refused = [*inject(linux, accelerator(), log, claims=clone_claims())]
        for volume, others in own.items():
            refused += inject(others, accelerator(), log, volume=volume)
        _refuse(disks, refused, log)

    return inject_all


def _own(machine: WantedMachine) -> bool:
    return machine.template.personalise.way == "unattend"


def _by_volume(disks: Disks) -> dict[SystemVolume | None, list[Edited]]:
    """Return what families write themselves, by where it goes."""
    found: dict[SystemVolume | None, list[Edited]] = {}
    for machine, path in disks:
        if _own(machine):
            found.setdefault(machine.template.personalise.volume, []).append((path, own_files(machine)))
    return found


def _refuse(disks: Disks, refused: Sequence[Refused], log: Path) -> None:
    names = {path: machine.name for machine, path in disks}
    if refused:
        raise GuestError(
            f"{len(refused)} of {len(disks)} disks could not be given an identity.",
            hint=f"What libguestfs said is in '{log}'.",
            details=[f"{names[one.path]}: {line}" for one in refused for line in (one.reason, *one.details[:5])],
        )
