"""What must change so that a fleet becomes what it shall be: one record a machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from imgpipe.deploy.applied import Applied, applied_of, found_in, parsed
from imgpipe.deploy.existing import ExistingMachine, MachineRecord
from imgpipe.deploy.own_settings import said_in
from imgpipe.deploy.record import record_of
from imgpipe.deploy.wanted import WantedMachine
from imgpipe.identity.digest import is_named_by, is_unkeyed
from imgpipe.sizes import exact_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Make:
    """A machine that is not there; `leftover` is what an interrupted run left of it, to be removed first."""

    machine: WantedMachine
    leftover: ExistingMachine | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """A machine that is as it shall be."""

    machine: WantedMachine


@dataclass(frozen=True, slots=True, kw_only=True)
class Modify:
    """A machine whose definition changes; `what` says it in words, `needs_stop` that it must not run meanwhile.

    `grow`, `flatten` and `start` say what is to be done beside defining it anew: to give its disk a new size, to make
    it independent of its template, to start it though it was off before. `by_hand` is what of `what` undoes something
    that somebody else did to the definition; `unsure` says that nobody knows, because an earlier version kept no note.
    """

    machine: WantedMachine
    existing: ExistingMachine
    what: tuple[str, ...]
    needs_stop: bool
    grow: bool = False
    flatten: bool = False
    start: bool = False
    by_hand: tuple[str, ...] = ()
    unsure: bool = False

    @property
    def told(self) -> tuple[str, ...]:
        """Return `what`, with a word on what is undone that somebody else did."""
        doubt = "perhaps changed by hand" if self.unsure else "changed by hand"
        return tuple(f"{words} ({doubt})" if words in self.by_hand else words for words in self.what)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuild:
    """A machine that is removed, with all that is on its disk, and made again."""

    machine: WantedMachine
    existing: ExistingMachine
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove:
    """A machine that the fleet does not name any more."""

    existing: ExistingMachine


Change = Make | Keep | Modify | Rebuild | Remove


def name_of(change: Change) -> str:
    """Return the name of the machine that a change is about."""
    return change.existing.name if isinstance(change, Remove) else change.machine.name


def change_of(machine: WantedMachine, existing: ExistingMachine | None, *, rebuild: str = "") -> Change:
    """Compare a machine with what is there; `rebuild` says why it is to be made anew, if it is.

    `existing` must be the fleet's own.
    """
    if existing is None:
        return Make(machine=machine)
    record = existing.record
    assert record is not None  # noqa: S101 (see above)
    if not record.complete:
        return Make(machine=machine, leftover=existing)
    if rebuild:
        return Rebuild(machine=machine, existing=existing, why=rebuild)
    return _modified(machine, existing, record) or Keep(machine=machine)


def _modified(machine: WantedMachine, existing: ExistingMachine, record: MachineRecord) -> Modify | None:
    hardware = list(_hardware(machine, existing))
    stopped = [*(words for _, words in hardware), *identity_changes(machine, record)]
    grow = bool(existing.virtual_size) and machine.machine.disk > existing.virtual_size
    if grow:
        stopped.append(f"{exact_bytes(machine.machine.disk)} disk instead of {exact_bytes(existing.virtual_size)}")
    flatten = record.linked and not machine.linked
    if flatten:
        stopped.append("its disk becomes independent of the template")
    start = machine.start and not existing.active
    autostart = list(_autostart(machine, existing))
    running = [*(words for _, words in autostart), *_settings(machine, existing, record)]
    if start:
        running.append("it is started")
    if not (stopped or running):
        return None
    return Modify(
        machine=machine,
        existing=existing,
        what=(*stopped, *running),
        needs_stop=bool(stopped) and existing.active,
        grow=grow,
        flatten=flatten,
        start=start,
        by_hand=tuple(_by_hand([*hardware, *autostart], existing, parsed(record.applied))),
        unsure=parsed(record.applied) is None,
    )


def _hardware(machine: WantedMachine, existing: ExistingMachine) -> Iterator[tuple[str, str]]:
    """Yield what of the definition is not as it shall be: what it is called in `Applied`, and the change in words."""
    wanted, there = applied_of(machine), found_in(existing)
    if wanted.cpus != there.cpus:
        yield "cpus", f"{wanted.cpus[0]} vCPU instead of {_pair(there.cpus, str)}"
    if wanted.memory != there.memory:
        yield "memory", f"{exact_bytes(wanted.memory[0])} memory instead of {_pair(there.memory, exact_bytes)}"
    if there.cache and wanted.cache != there.cache:
        yield "cache", f"cache mode '{wanted.cache}' instead of '{there.cache}'"
    if wanted.nics != there.nics:
        yield "nics", f"NICs on {_plugs(wanted.nics)} instead of {_plugs(there.nics)}"


def _pair(sizes: tuple[int, int], shown: Callable[[int], str]) -> str:
    most, current = sizes
    return shown(most) if most == current else f"{shown(current)} of {shown(most)}"


def _by_hand(changes: Iterable[tuple[str, str]], existing: ExistingMachine, applied: Applied | None) -> Iterator[str]:
    """Yield the changes that undo what somebody else did, or may have done."""
    there = found_in(existing)
    for what, words in changes:
        if applied is None or getattr(applied, what) != getattr(there, what):
            yield words


def _plugs(nics: Sequence[tuple[str, str]]) -> str:
    return ", ".join(source or kind for kind, source in nics) or "nothing"


def identity_changes(machine: WantedMachine, record: MachineRecord) -> Iterator[str]:
    """Say what the guest will be told anew at its next start."""
    asked = record_of(machine, record.pool)
    if asked.hostname != record.hostname:
        yield f"host name '{asked.hostname}' instead of '{record.hostname}'"
    if asked.addresses != record.addresses:
        yield f"{_addresses(asked)} instead of {_addresses(record)}"
    same_names = (asked.hostname, asked.addresses) == (record.hostname, record.addresses)
    if same_names and not is_named_by(record.identity, machine.identity):
        if is_unkeyed(record.identity, machine.identity):
            yield "its definition has a digest by which its secret files can be guessed; the guest is told all anew"
            return
        yield "other keys, passwords, users, files or network settings in the guest"


def _addresses(record: MachineRecord) -> str:
    return ", ".join(record.addresses) or "DHCP"


def _autostart(machine: WantedMachine, existing: ExistingMachine) -> Iterator[tuple[str, str]]:
    if machine.autostart != existing.autostart:
        starts = "it starts with the host" if machine.autostart else "it does not start with the host any more"
        yield "autostart", starts


def _own(now: Sequence[str], before: Sequence[str]) -> str:
    """Say what is the machine's own from now on, or is not any more."""
    if gone := [key for key in before if key not in now]:
        return f"what 'machines set' gave it ends: {', '.join(gone)}"
    return f"kept as its own: {', '.join(now)}"


def _settings(machine: WantedMachine, existing: ExistingMachine, record: MachineRecord) -> Iterator[str]:
    if not existing.persistent:
        yield "it is defined again: it would be gone when it ends"
    if machine.settings != record.settings:
        yield _own(said_in(machine.settings), said_in(record.settings))
    applied = parsed(record.applied)
    if applied not in (None, applied_of(machine)) and found_in(existing) == applied_of(machine):
        yield "what was changed by hand is what it shall be now, and is noted as that"
    if machine.group != record.group:
        yield f"it moves from group '{record.group}' to '{machine.group}'"
