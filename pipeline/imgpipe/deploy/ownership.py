"""Whose a record is: a copy of a definition brings imgpipe's metadata along, and is somebody else's machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
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
    # Counted once: a host may have thousands of machines.
    named = Counter(path for machine in every for path in _paths(machine))
    return tuple(_judged(machine, named) for machine in every)


def _judged(machine: ExistingMachine, named: Mapping[str, int]) -> ExistingMachine:
    record = machine.record
    if record is None or record.uuid == machine.uuid:
        return machine
    why = COPIED
    if not record.uuid:
        if _is_its_alone(machine, record.disk, named):
            return machine
        why = UNCERTAIN
    return replace(machine, record=None, stranger=why)


def _is_its_alone(machine: ExistingMachine, volume: str, named: Mapping[str, int]) -> bool:
    """Say whether a machine has the disk `volume`, and none of its paths is one that others name too."""
    names = {path for path in _paths(machine) if PurePath(path).name == volume}
    return bool(names) and all(named[path] == 1 for path in names)


def _paths(machine: ExistingMachine) -> frozenset[str]:
    return frozenset((machine.disk, *machine.backing))
