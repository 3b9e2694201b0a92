"""Whose a record is: a copy of a definition brings imgpipe's metadata along, and is somebody else's machine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import PurePath

from imgpipe.deploy.existing import ExistingMachine

COPIED = "its metadata was copied from another machine"
UNCERTAIN = "its metadata has no UUID, and its disk is not the one that the metadata names, or not its alone"


def believed(machines: Iterable[ExistingMachine]) -> tuple[ExistingMachine, ...]:
    """Return all machines of a host, without the records that are not theirs; `stranger` says why.

    A record belongs to the machine whose UUID it has. One that an earlier version wrote has none: it is believed
    where the machine's disk is the record's, and no other machine's definition names that.
    """
    every = tuple(machines)
    return tuple(_judged(machine, every) for machine in every)


def _judged(machine: ExistingMachine, every: Sequence[ExistingMachine]) -> ExistingMachine:
    record = machine.record
    if record is None or record.uuid == machine.uuid:
        return machine
    why = COPIED
    if not record.uuid:
        if _is_its_alone(machine, record.disk, every):
            return machine
        why = UNCERTAIN
    return replace(machine, record=None, stranger=why)


def _is_its_alone(machine: ExistingMachine, volume: str, every: Sequence[ExistingMachine]) -> bool:
    names = {path for path in (machine.disk, *machine.backing) if PurePath(path).name == volume}
    others = {path for one in every if one is not machine for path in (one.disk, *one.backing)}
    return bool(names) and not names & others
