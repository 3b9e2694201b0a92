"""Making new machines, whole or not at all.

Each is defined first, with a record that says it is not complete: so whatever happens next, it is found. Then its
volumes are made, it is started, and only then is its record complete. What did not get that far is removed, by this
run or, if that was killed, by the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from imgpipe.adapters.marks import new_mark
from imgpipe.adapters.pool import Base, Pool
from imgpipe.adapters.seed_iso import seed_bytes
from imgpipe.deploy.belongings import refuse_taken
from imgpipe.deploy.definition_files import named_files
from imgpipe.deploy.definitions import definition
from imgpipe.deploy.existing import MachineRecord
from imgpipe.deploy.own_files import own_files
from imgpipe.deploy.parallel import each
from imgpipe.deploy.record import record_of
from imgpipe.deploy.removal import discard
from imgpipe.deploy.room import base_volume
from imgpipe.deploy.wanted import Template, WantedMachine
from imgpipe.deploy.workshop import Workshop
from imgpipe.errors import HostError, ImgpipeError, RecipeError
from imgpipe.events import Note, Progress
from imgpipe.identity.carriage import Carried, carry, carry_files
from imgpipe.images.catalog import image_lock

Done = Callable[[WantedMachine], None]


def seed_name(machine: WantedMachine) -> str:
    """Return the name of the volume with what a machine must be told in secret."""
    return f"{machine.name}-seed.iso"


def carried_of(machine: WantedMachine) -> Carried:
    """Return what the machine is told at its first boot; nothing where files of its own are written to its disk.

    A Linux that imgpipe did not build is told too: the unit that listens is written to its disk.
    """
    if machine.template.personalise.way == "unattend":
        return Carried()
    if machine.template.personalise.way == "unattend-cd":
        return carry_files(own_files(machine))
    return carry(machine.identity, machine.template.personalise, machine.name)


def record_with_seed(machine: WantedMachine, carried: Carried, pool: str) -> MachineRecord:
    """Return the record of a machine, its seed included."""
    return replace(record_of(machine, pool), seed=seed_name(machine) if carried.seed_volume_id else "")


def iso_of(carried: Carried) -> bytes:
    """Return the seed as an ISO."""
    return seed_bytes(carried.seed_volume_id, {name: text.encode() for name, text in carried.seed_files})


class Making:
    """One run's new machines."""

    def __init__(self, machines: Sequence[WantedMachine], shop: Workshop) -> None:
        self._machines = machines
        self._shop = shop
        self._bases: dict[str, Base] = {}
        # dict and not set: removal after a failure goes in the order of making. Items are taken and set by one
        # thread each, which the interpreter does as one step.
        self._begun: dict[str, MachineRecord] = {}
        # The volumes that this run made, by machine: others of their names are somebody else's.
        self._made: dict[str, list[str]] = {}

    def run(self) -> None:
        """Make them all; when that fails or is interrupted, remove what is not complete."""
        self._refuse_impossible()
        try:
            with _pinned((machine.template for machine in self._machines), self._shop):
                each(self._machines, self._define, self._shop.at_once, lambda _: None)
            self._find_bases()
            self._fill()
        except BaseException:
            self._undo()
            raise
        finally:
            self._shop.pool.refresh()

    def _refuse_impossible(self) -> None:
        """Refuse what cannot be done, or would write over a volume of somebody else, before anything is touched."""
        if not self._shop.pool.local:
            for machine in self._machines:
                if not machine.template.prepared:
                    raise HostError(
                        f"'{machine.template.reference}' was not built by imgpipe, so its clones get their identity "
                        f"written to their disks, and the pool '{self._shop.pool.name}' is on another host.",
                        hint="Run imgpipe on that host.",
                    )
        if known := self._shop.machines.names() & {machine.name for machine in self._machines}:
            raise RecipeError(
                f"There are machines already that new ones would be called: {', '.join(sorted(known)[:10])}.",
                hint="Give the new ones other names.",
            )
        refuse_taken(
            [name for machine in self._machines for name in (f"{machine.name}.qcow2", seed_name(machine))],
            self._shop.pool,
        )

    def _define(self, machine: WantedMachine) -> None:
        carried = carried_of(machine)
        record = record_with_seed(machine, carried, self._shop.pool.name)
        record = replace(record, complete=False, mark=new_mark())
        backing = _backing(machine, self._shop.pool)
        self._shop.machines.define(definition(machine, carried.oem_strings, record, self._shop.policy, backing))
        # Not before: what libvirt refused, because somebody else's machine has the name, is not ours to remove.
        self._begun[machine.name] = record
        self._look_for_state(machine)

    def _find_bases(self) -> None:
        for template in {machine.template.reference: machine.template for machine in self._machines}.values():
            teller = _Teller(self._shop, f"'{template.reference}' is copied to the pool")
            volume, foreign = base_volume(template), template.foreign
            base = self._shop.pool.base(template.disk, volume, template.sha256, teller, foreign)
            self._bases[template.reference] = base

    def _fill(self) -> None:
        prepared = [machine for machine in self._machines if machine.template.prepared]
        foreign = [machine for machine in self._machines if not machine.template.prepared]
        total, made = len(self._machines), 0

        def done(_machine: WantedMachine) -> None:
            nonlocal made
            made += 1
            tell_progress(self._shop, "machines are made", made, total)

        if foreign:
            each(foreign, self._make_volumes, self._shop.at_once, lambda _: None)
            self._shop.inject([(machine, self._shop.pool.file(f"{machine.name}.qcow2")) for machine in foreign])
            each(foreign, self._finish, self._shop.at_once, done)
        each(prepared, self._make_whole, self._shop.at_once, done)

    def _make_whole(self, machine: WantedMachine) -> None:
        self._make_volumes(machine)
        self._finish(machine)

    def _make_volumes(self, machine: WantedMachine) -> None:
        pool, record = self._shop.pool, self._begun[machine.name]
        base = self._bases[machine.template.reference]
        make = pool.overlay if machine.linked else pool.copy
        made = self._made.setdefault(machine.name, [])
        make(record.disk, base, machine.machine.disk, mark=record.mark)
        made.append(record.disk)
        self._prove(machine.name, record.disk)
        if record.seed:
            pool.write_small(record.seed, iso_of(carried_of(machine)), mark=record.mark)
            made.append(record.seed)
            self._prove(machine.name, record.seed)

    def _prove(self, name: str, volume: str) -> None:
        """Write down what shows to the next run that a volume is ours, where its mark does not."""
        if not self._shop.pool.local:
            proofs = (*self._begun[name].proofs, (volume, self._shop.pool.proof(volume)))
            self._record(name, replace(self._begun[name], proofs=proofs))

    def _record(self, name: str, record: MachineRecord) -> None:
        self._shop.machines.set_record(name, record)
        self._begun[name] = record

    def _look_for_state(self, machine: WantedMachine) -> str:
        """Return the record's `state` of a machine that is about to start, empty where it has no such state.

        Raises RecipeError where it would start from UEFI variables that somebody else left.
        """
        if machine.machine.firmware != "uefi" and not machine.template.hardware.tpm:
            return ""
        named = named_files(self._shop.machines.xml(machine.name))
        there = {path: self._shop.machines.is_there(path) for path in sorted(named.nvram)}
        if taken := [path for path, is_there in there.items() if is_there]:
            raise RecipeError(
                f"There are UEFI variables already that '{machine.name}' would start from: '{taken[0]}'.",
                hint="Move the file away, or delete it if nobody needs it; then run the command again.",
            )
        return "own" if all(is_there is False for is_there in there.values()) else "started"

    def _finish(self, machine: WantedMachine) -> None:
        if machine.start:
            if state := self._look_for_state(machine):
                self._record(machine.name, replace(self._begun[machine.name], state=state))
            self._shop.machines.start(machine.name, paused=self._shop.paused)
        if machine.autostart:
            self._shop.machines.set_autostart(machine.name, wanted=True)
        record = self._begun[machine.name]
        self._shop.machines.set_record(machine.name, replace(record, complete=True, proofs=(), state=""))
        del self._begun[machine.name]
        self._shop.pool.unmark(record.mark, *filter(None, (record.disk, record.seed)))

    def _undo(self) -> None:
        """Remove what is not complete; what cannot be removed now is found by the next run."""
        begun = list(self._begun.items())
        if not begun:
            return
        self._shop.notify(Note(text=f"What was begun is removed: {len(begun)} machine{'s' * (len(begun) > 1)}."))

        def remove(item: tuple[str, MachineRecord]) -> None:
            for text in discard(*item, self._made.get(item[0], ()), self._shop.machines, self._shop.pool):
                self._shop.notify(Note(text=text, warning=True))

        try:
            each(begun, remove, self._shop.at_once, lambda _: None)
        except ImgpipeError as error:
            text = f"Not everything that was begun could be removed; the next run will: {error}"
            self._shop.notify(Note(text=text, warning=True))


def _backing(machine: WantedMachine, pool: Pool) -> Path | None:
    """Return the image that a machine's disk will be an overlay of; None where libvirt must look (a foreign disk)."""
    template = machine.template
    if not (machine.linked and template.prepared):
        return None
    return template.disk.resolve() if pool.local else pool.file(base_volume(template))


def tell_progress(shop: Workshop, phase: str, done: int, total: int) -> None:
    """Tell how many machines are done."""
    shop.notify(
        Progress(stage="deploy", phase=phase, percent=100 * done / total, done=done, total=total, unit="machines")
    )


class _Teller:
    """Tells each whole percent of a long copy once."""

    def __init__(self, shop: Workshop, phase: str) -> None:
        self._shop = shop
        self._phase = phase
        self._told = -1

    def __call__(self, percent: float) -> None:
        if int(percent) > self._told:
            self._told = int(percent)
            self._shop.notify(Progress(stage="deploy", phase=self._phase, percent=percent))


@contextmanager
def _pinned(templates: Iterable[Template], shop: Workshop) -> Iterator[None]:
    """Keep images from being removed until the definitions stand that say who needs them."""

    def waiting(holder: str) -> None:
        shop.notify(Note(text=f"Waiting for {holder}, who publishes or removes a version of a template."))

    used = {template.reference: template for template in templates}
    with ExitStack() as stack:
        names = {template.name for template in used.values() if template.version}
        # An image that is named by the path of its file is not called by its name, but is removed under its lock.
        images = shop.store.images.resolve()
        places = (template.disk.resolve() for template in used.values() if not template.version)
        names |= {place.relative_to(images).parts[0] for place in places if images in place.parents}
        for name in sorted(names):
            stack.enter_context(image_lock(shop.store, name, waiting))
        for template in used.values():
            if not template.disk.exists():
                raise HostError(f"The disk of '{template.reference}' is gone: '{template.disk}'.")
        yield
