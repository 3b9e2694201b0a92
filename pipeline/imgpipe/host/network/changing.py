"""Changing a host's network so that it undoes itself unless someone who can still reach the host confirms it.

NetworkManager makes a checkpoint first. The new profiles then live in /run, and the old ones are not touched, so
whatever happens (the connection is lost, imgpipe is killed, the verification fails, the host restarts) the host comes
back as it was. Only the confirmation writes to /etc.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from imgpipe.errors import HostError
from imgpipe.host.network import records
from imgpipe.host.network.facts import Device, HostFacts, StoredProfile
from imgpipe.host.network.keyfiles import keyfile
from imgpipe.host.network.machine_ports import HANDS_OFF, Plug, kept_plugged
from imgpipe.host.network.planning import NetworkPlan, PlannedProfile
from imgpipe.host.network.records import Change, NewProfile, OldProfile, Places
from imgpipe.host.network.verification import Answers, Finding, findings
from imgpipe.host.network.wanted import HostNetwork

# How long a step is waited for: what DHCP needs, and always less than the checkpoint, which each step renews.
_STEP_S = 90.0
_STEP_SHARE = 0.75


class Manager(Protocol):
    """What is asked of NetworkManager; see `imgpipe.adapters.network_manager`."""

    def devices(self) -> tuple[Device, ...]: ...  # noqa: D102 (the adapter says it)
    def stored(self) -> tuple[StoredProfile, ...]: ...  # noqa: D102
    def load(self, files: Iterable[Path]) -> None: ...  # noqa: D102
    def reload_configuration(self) -> None: ...  # noqa: D102
    def activate(self, uuid: str, device: str) -> None: ...  # noqa: D102
    def delete(self, uuid: str) -> None: ...  # noqa: D102
    def set_autoconnect(self, uuid: str, *, on: bool) -> None: ...  # noqa: D102
    def checkpoint(self, seconds: int) -> str: ...  # noqa: D102
    def lives(self, checkpoint: str) -> bool: ...  # noqa: D102
    def extend(self, checkpoint: str, seconds: int) -> None: ...  # noqa: D102
    def keep(self, checkpoint: str) -> None: ...  # noqa: D102
    def roll_back(self, checkpoint: str) -> None: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A host as a change sees it."""

    manager: Manager
    look: Callable[[], HostFacts]
    answers: Answers
    plug: Plug
    places: Places
    tell: Callable[[str], None]


def apply(plan: NetworkPlan, host: Host) -> tuple[Finding, ...]:
    """Make the change and verify it; it waits for `confirm` then, and undoes itself without.

    Raises HostError, with everything as it was, if it does not come up or is not what was wanted.
    """
    left = records.read_change(host.places.pending)
    if left and (host.manager.lives(left.checkpoint) or _brought(left, host)):
        raise HostError(
            "A change of this host's network was not confirmed yet.",
            hint="Run 'imgpipe host network confirm', or 'imgpipe host network rollback'.",
        )
    records.write_public(host.places.hands_off, HANDS_OFF)
    host.manager.reload_configuration()
    checkpoint = host.manager.checkpoint(plan.network.confirm_within)
    try:
        with kept_plugged(host.look, host.plug):
            _bring_up(plan, checkpoint, host)
        found = _verified(plan, host, _Step(plan.network, checkpoint, host))
        host.manager.extend(checkpoint, plan.network.confirm_within)
    except BaseException:
        host.tell("rolling back")
        if host.manager.lives(checkpoint):
            host.manager.roll_back(checkpoint)
        _forget(host)
        raise
    return found


def confirm(host: Host) -> Path:
    """Keep the change that waits, for good, and return the folder with what was before."""
    change = pending(host)
    if change is None:
        raise HostError(
            "No change of this host's network waits for a confirmation.",
            hint="Unconfirmed, or after a restart, it undoes itself; 'imgpipe host network check' tells what is.",
        )
    # Whatever of its time is left: it must not undo itself between two of the next steps.
    host.manager.extend(change.checkpoint, change.network.confirm_within)
    number = 1 + max((int(path.name) for path in host.places.changes()), default=0)
    folder = records.back_up(host.places, change, number)
    _keep_profiles(change, host)
    host.manager.keep(change.checkpoint)
    stored = {profile.uuid for profile in host.manager.stored()}
    for old in change.old:
        # Not there any more: its file has the name of a new one, and was written over.
        if old.uuid in stored:
            host.manager.set_autoconnect(old.uuid, on=False)
    _forget(host)
    return folder


def roll_back(host: Host) -> None:
    """Undo the change that waits, or else the newest confirmed one."""
    change = records.read_change(host.places.pending)
    if change is None:
        _undo_confirmed(host)
    elif host.manager.lives(change.checkpoint):
        host.manager.roll_back(change.checkpoint)
    elif _brought(change, host):
        # NetworkManager was restarted, which ends its checkpoints and leaves what is up.
        _take_back(change, None, host)
    else:
        _forget(host)
        raise HostError(
            "The last change of this host's network has undone itself already.",
            hint="Once more, and the newest confirmed one is undone.",
        )
    _forget(host)


def pending(host: Host) -> Change | None:
    """Return the change that waits for its confirmation; None if it has undone itself."""
    change = records.read_change(host.places.pending)
    return change if change and host.manager.lives(change.checkpoint) else None


def _undo_confirmed(host: Host) -> None:
    folders = host.places.changes()
    change = records.read_change(folders[-1] / "change.json") if folders else None
    if change is None:
        raise HostError("There is no change of this host's network to undo.")
    checkpoint = host.manager.checkpoint(change.network.confirm_within)
    try:
        with kept_plugged(host.look, host.plug):
            _take_back(change, folders[-1], host)
            _wait_for_old(change, host, _Step(change.network, checkpoint, host))
    except BaseException:
        if host.manager.lives(checkpoint):
            host.manager.roll_back(checkpoint)
        raise
    host.manager.keep(checkpoint)
    (folders[-1] / "change.json").unlink()


def _bring_up(plan: NetworkPlan, checkpoint: str, host: Host) -> None:
    new = [planned for planned in plan.profiles if planned.is_new]
    devices = host.manager.devices()
    change = Change(
        network=plan.network,
        checkpoint=checkpoint,
        new=tuple(NewProfile(name=item.profile.name, uuid=item.uuid, text=item.text) for item in new),
        old=_old(plan, devices),
    )
    records.write_private(host.places.pending, change.model_dump_json())
    staged = [host.places.staged(planned.profile.name, planned.uuid) for planned in new]
    for path, planned in zip(staged, new, strict=True):
        records.write_private(path, keyfile(planned.profile, planned.uuid, autoconnect=False))
    host.manager.load(staged)
    for planned in plan.profiles:
        if planned.activate:
            step = _Step(plan.network, checkpoint, host)
            host.tell(f"up {planned.profile.name}")
            host.manager.activate(planned.uuid, planned.profile.name)
            _wait_for(planned, host, step)


class _Step:
    """The time that one step has; its start renews the time until everything undoes itself."""

    def __init__(self, network: HostNetwork, checkpoint: str, host: Host) -> None:
        host.manager.extend(checkpoint, network.confirm_within)
        self._end = time.monotonic() + min(_STEP_S, _STEP_SHARE * network.confirm_within)

    def is_over(self) -> bool:
        return time.monotonic() > self._end


def _old(plan: NetworkPlan, devices: tuple[Device, ...]) -> tuple[OldProfile, ...]:
    """Return the old profiles in the order in which they would come up again: masters before slaves, too."""
    order = [planned.profile.name for planned in plan.profiles]
    found = []
    for stored in plan.replaced:
        on = next((device.name for device in devices if device.profile == stored.uuid), "")
        found.append(OldProfile(uuid=stored.uuid, name=stored.name, file=stored.file, active_on=on))
    return tuple(sorted(found, key=lambda old: order.index(old.active_on) if old.active_on in order else -1))


def _wait_for(planned: PlannedProfile, host: Host, step: _Step) -> None:
    """Wait until a device is up; of a bridge or bond, which is not up without its ports, until it is there."""
    is_controller = planned.profile.kind in {"bridge", "bond"}
    while True:
        for device in host.manager.devices():
            if device.profile == planned.uuid and (device.activated or is_controller):
                return
        if step.is_over():
            raise HostError(
                f"NetworkManager did not bring '{planned.profile.name}' up; everything is as it was before.",
                hint="'journalctl -u NetworkManager' says why.",
            )
        time.sleep(0.2)


def _wait_for_old(change: Change, host: Host, step: _Step) -> None:
    wanted = {(old.active_on, old.uuid) for old in change.old if old.active_on}
    while not wanted <= {(device.name, device.profile) for device in host.manager.devices() if device.activated}:
        if step.is_over():
            raise HostError("The old profiles did not come up; the network stays as it is.")
        time.sleep(0.2)


def _verified(plan: NetworkPlan, host: Host, step: _Step) -> tuple[Finding, ...]:
    while True:
        found = findings(plan.network, host.look(), host.answers)
        if all(finding.ok for finding in found):
            return found
        if step.is_over():
            raise HostError(
                "The new network is not what was wanted; everything is as it was before.",
                details=[f"{finding.device}: {finding.text}" for finding in found if not finding.ok],
            )
        time.sleep(0.5)


def _keep_profiles(change: Change, host: Host) -> None:
    """Move the profiles from /run to /etc; they stay active meanwhile."""
    moved = []
    for new in change.new:
        path, staged = host.places.confirmed(f"{new.name}.nmconnection"), host.places.staged(new.name, new.uuid)
        records.write_private(path, new.text)
        staged.unlink(missing_ok=True)
        moved += [path, staged]
    host.manager.load(moved)


def _take_back(change: Change, folder: Path | None, host: Host) -> None:
    """Bring the old profiles up again, and delete the new ones."""
    if folder is not None:
        host.manager.load(records.restore(host.places, change, folder))
    for old in change.old:
        host.manager.set_autoconnect(old.uuid, on=True)
    for old in change.old:
        if old.active_on:
            host.tell(f"up {old.name}")
            host.manager.activate(old.uuid, old.active_on)
    stored = {profile.uuid for profile in host.manager.stored()}
    for new in reversed(change.new):
        if new.uuid in stored:
            host.manager.delete(new.uuid)


def _brought(change: Change, host: Host) -> bool:
    """Say whether profiles of a change are still there."""
    return bool({new.uuid for new in change.new} & {profile.uuid for profile in host.manager.stored()})


def _forget(host: Host) -> None:
    change = records.read_change(host.places.pending)
    host.places.pending.unlink(missing_ok=True)
    host.places.hands_off.unlink(missing_ok=True)
    host.manager.reload_configuration()
    for new in change.new if change else ():
        host.places.staged(new.name, new.uuid).unlink(missing_ok=True)
