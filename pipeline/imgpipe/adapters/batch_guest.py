"""Many disks of one template, offline: edited in one appliance, each by itself.

A launch costs ten seconds and more without KVM, a disk in it a fraction of one. All disks must be clones of one
template, or at least of one owner: a hostile one that takes over the appliance's kernel could write to the others.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from imgpipe.adapters.guest import EDIT_S, OPEN_S, Guest, as_requests, open_disk, start_worker
from imgpipe.adapters.guest_process import GuestProcess
from imgpipe.domain_spec import Accelerator
from imgpipe.errors import GuestError, HostError, ImgpipeError
from imgpipe.offline_edits import Absent, Claim, Step, WithoutMacs
from imgpipe.self_sealing import SystemVolume

Edited = tuple[Path, tuple[Step, ...]]

MOST_DISKS = 24
_MOST_DEATHS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A disk that could not be edited, and must not be used."""

    path: Path
    reason: str
    details: tuple[str, ...] = ()


def inject(
    disks: Sequence[Edited],
    accelerator: Accelerator,
    log: Path | None = None,
    *,
    claims: Sequence[Claim] = (),
    volume: SystemVolume | None = None,
    remark: Callable[[Path, str], None] | None = None,
) -> tuple[Refused, ...]:
    """Apply to each qcow2 disk its steps, give SELinux labels to what is new, and check the claims.

    One launch for at most 24 disks. A disk that fails is told of and spoils no other; one whose layout cannot be
    found this way is inspected and edited in an appliance of its own. With `volume` the system is not Linux: that one
    file system is edited, and a disk without it is refused. `remark` hears, with the disk, what the steps left to be
    done in the guest. Raises HostError if no appliance starts, or if appliances die again and again.
    """
    batch = _Batch(claims=claims, volume=volume, accelerator=accelerator, log=log, remark=remark)
    refused: list[Refused] = []
    left = list(disks)
    deaths = 0
    while left:
        launched, left = left[:MOST_DISKS], left[MOST_DISKS:]
        outcome = _together(launched, batch)
        for disk in outcome.apart:
            outcome.refused += _alone(disk, batch)
        refused += outcome.refused
        left = outcome.unreached + left
        deaths += bool(outcome.death)
        if outcome.death and deaths > _MOST_DEATHS:
            raise outcome.death
    return tuple(refused)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    """What holds for all disks."""

    claims: Sequence[Claim]
    volume: SystemVolume | None
    accelerator: Accelerator
    log: Path | None
    remark: Callable[[Path, str], None] | None = None

    def tell(self, path: Path, remarks: Iterable[object]) -> None:
        """Pass on what the worker has to say of a disk."""
        if self.remark:
            for text in remarks:
                self.remark(path, str(text))


@dataclass(slots=True, kw_only=True)
class _Outcome:
    """What became of one launch's disks; those not named are done."""

    refused: list[Refused] = field(default_factory=list)
    apart: list[Edited] = field(default_factory=list)
    unreached: list[Edited] = field(default_factory=list)
    death: HostError | None = None


def _together(disks: list[Edited], batch: _Batch) -> _Outcome:
    outcome = _Outcome()
    with start_worker(batch.log) as worker:
        paths = [os.fspath(path.resolve()) for path, _steps in disks]
        worker.ask("open_batch", OPEN_S, paths=paths, force_tcg=batch.accelerator == "tcg")
        for number, (path, steps) in enumerate(disks):
            try:
                if not _mounts(worker, number, batch.volume):
                    outcome.apart.append((path, steps))
                    continue
                requests = {"steps": as_requests(steps), "claims": as_requests(batch.claims)}
                batch.tell(path, worker.ask("edit_in_batch", EDIT_S, **requests))
            except GuestError as error:
                outcome.refused.append(_refused(path, error))
            except HostError as error:
                # What the appliance did to earlier disks was written out before; this disk may have killed it.
                outcome.refused.append(_refused(path, error))
                outcome.unreached, outcome.death = disks[number + 1 :], error
                return outcome
        worker.ask("close_batch", EDIT_S)
    return outcome


def _mounts(worker: GuestProcess, number: int, volume: SystemVolume | None) -> bool:
    """Mount a disk's system; say whether Linux was found. A volume that is missing is not looked for in another way."""
    if volume:
        holds, filesystem = list(volume.holds), volume.filesystem
        worker.ask("mount_volume_in_batch", EDIT_S, number=number, filesystem=filesystem, holds=holds)
        return True
    try:
        worker.ask("mount_in_batch", EDIT_S, number=number)
    except GuestError:
        return False
    return True


def _alone(disk: Edited, batch: _Batch) -> list[Refused]:
    path, steps = disk
    try:
        with open_disk(path, accelerator=batch.accelerator, log=batch.log) as guest:
            guest.apply(steps)
            guest.relabel()
            faults = [fault for claim in batch.claims for fault in _faults(claim, guest)]
            if faults:
                raise GuestError(f"{len(faults)} claims do not hold after the edits.", details=faults)
            remarks = guest.remarks()
        batch.tell(path, remarks)
    except GuestError as error:
        return [_refused(path, error)]
    return []


def _faults(claim: Claim, guest: Guest) -> list[str]:
    if isinstance(claim, Absent):
        return [f"'{path}' is still there" for path in guest.remains(claim)]
    if isinstance(claim, WithoutMacs):
        return [f"'{path}' holds a MAC address of the source" for path in guest.with_macs(claim)]
    return [] if guest.size(claim.path) == 0 else [f"'{claim.path}' is not an empty file"]


def _refused(path: Path, error: ImgpipeError) -> Refused:
    return Refused(path=path, reason=str(error), details=error.details)
