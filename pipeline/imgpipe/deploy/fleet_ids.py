"""The id of a fleet: what keeps machines of one name, on two hosts of one network, from having one MAC and UUID."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator

from imgpipe.deploy.existing import ExistingMachine
from imgpipe.deploy.fleet import Fleet
from imgpipe.domain_spec import stable_mac

_NAMESPACE = uuid.UUID("6b0f3f0e-7c1d-5e52-9d0a-2f6b1f6f8a11")
# No id can be this: a plan must not meet by chance what some machine has already.
_TO_COME = "not minted yet"


def minted_id() -> str:
    """Return a new id, for a fleet that has none yet; only who then deploys it may ask."""
    return uuid.uuid4().hex


def recorded_ids(own: Iterable[ExistingMachine]) -> dict[str, list[str]]:
    """Return the ids that a fleet's machines carry, incomplete ones too, each with the machines' names."""
    found: dict[str, list[str]] = {}
    for machine in sorted(own, key=lambda one: one.name):
        if machine.record and machine.record.fleet_id:
            found.setdefault(machine.record.fleet_id, []).append(machine.name)
    return found


def id_of(fleet: Fleet, own: Iterable[ExistingMachine], minted: str | None) -> str | None:
    """Return what the fleet's file pins, else what its machines carry, else what was minted for it."""
    return fleet.id or next(iter(recorded_ids(own)), minted)


def new_uuid(fleet_id: str | None, fleet: str, name: str) -> str:
    """Return the UUID of a machine that is not there yet."""
    return str(uuid.uuid5(_NAMESPACE, "/".join((*_mixed_in(fleet_id), fleet, name))))


def new_mac(fleet_id: str | None, fleet: str, name: str, index: int, taken: set[str]) -> str:
    """Return a new interface's own MAC, and add it to those that are taken.

    24 bits are few among a thousand, so a second try must be as stable.
    """
    parts = (*_mixed_in(fleet_id), fleet, name, str(index))
    mac = stable_mac(*parts)
    attempt = 1
    while mac in taken:
        mac = stable_mac(*parts, str(attempt))
        attempt += 1
    taken.add(mac)
    return mac


def _mixed_in(fleet_id: str | None) -> Iterator[str]:
    """Yield what comes before the names; nothing for the empty id, as before there were any."""
    if fleet_id != "":
        # No fleet's name has an equals sign, so that an id is never taken for one.
        yield f"id={_TO_COME if fleet_id is None else fleet_id}"
