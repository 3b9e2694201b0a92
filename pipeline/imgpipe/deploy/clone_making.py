"""Making clones of a machine: defined first, then copied, then given their identity, and only then complete.

What an error or Ctrl-C leaves incomplete is removed; what a killed run leaves is found by its record and removed by
the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from imgpipe.adapters.batch_guest import Refused, inject
from imgpipe.adapters.machines import Machines
from imgpipe.adapters.marks import appearing, new_mark, unmark
from imgpipe.adapters.pool import Pool
from imgpipe.adapters.sparse_copy import copy_sparse
from imgpipe.deploy.belongings import refuse_taken
from imgpipe.deploy.cloned_definition import CloneIds, Source, cloned_definition
from imgpipe.deploy.cloning import Clone
from imgpipe.deploy.existing import MachineRecord
from imgpipe.deploy.foreign import clone_claims, clone_steps
from imgpipe.deploy.making import iso_of
from imgpipe.deploy.needed import survey
from imgpipe.deploy.parallel import AT_ONCE, each
from imgpipe.deploy.removal import discard, remove_machine
from imgpipe.disk_source import CheckedDisk
from imgpipe.domain_spec import Accelerator
from imgpipe.emulated_boot import patient_steps
from imgpipe.errors import GuestError, HostError, RecipeError
from imgpipe.events import Listener, Note, Progress
from imgpipe.identity.carriage import Carried, carry
from imgpipe.offline_edits import Step
from imgpipe.os_family import Personalise


@dataclass(frozen=True, slots=True, kw_only=True)
class CloneWork:
    """What clones are made with. `finished` is called for each definition before libvirt sees it."""

    machines: Machines
    pool: Pool
    pool_of: Callable[[str], Pool]
    accelerator: Accelerator
    notify: Listener
    log: Path
    finished: Callable[[str], str] = str
    start: bool = True
    paused: bool = False


class Cloning:
    """One run's clones of `source`, whose definition is `xml`, and whose disk was checked with its backing files."""

    def __init__(self, source: Source, disk: CheckedDisk, xml: str, personalise: Personalise, work: CloneWork) -> None:
        self._source = source
        self._disk = disk
        self._xml = xml
        self._personalise = personalise
        self._work = work
        self._begun: dict[str, MachineRecord] = {}
        self._made: dict[str, list[str]] = {}

    def run(self, clones: Sequence[Clone]) -> None:
        """Make them; raises GuestError that names those whose disk could not be edited, after making the others."""
        if leftovers := [clone.leftover for clone in clones if clone.leftover]:
            known = survey(leftovers, self._work.machines, self._work.pool_of)
            for leftover in leftovers:
                self._tell(remove_machine(leftover, self._work.machines, self._work.pool_of, known))
            # Somebody else's may have been in their place.
            refuse_taken([f"{clone.name}{end}" for clone in clones for end in (".qcow2", "-seed.iso")], self._work.pool)
        state = self._state()
        try:
            self._each(clones, self._define, "clones are defined")
            self._each(clones, self._copy, "disks are copied")
            if self._state() != state:
                raise RecipeError(
                    f"The machine '{self._source.name}' was used while it was copied.",
                    hint="Shut it off, and clone it again.",
                )
            refused = self._inject(clones)
            good = [clone for clone in clones if clone.name not in refused]
            self._each(good, self._finish, "clones are made")
        finally:
            self._undo()
            self._work.pool.refresh()
        if refused:
            raise GuestError(
                f"{len(refused)} of {len(clones)} clones could not be given an identity, and were removed.",
                hint=f"What libguestfs said is in '{self._work.log}'.",
                details=[f"{name}: {line}" for name, one in refused.items() for line in (one.reason, *one.details[:5])],
            )

    def _state(self) -> tuple[bool, int, int]:
        """Return what changes when somebody uses the source."""
        try:
            status = self._source.disk.stat()
        except OSError as error:
            raise HostError(f"The disk '{self._source.disk}' cannot be read: {error.strerror}.") from error
        return self._source.name in self._work.machines.active(), status.st_size, status.st_mtime_ns

    def _define(self, clone: Clone) -> None:
        carried = self._carried(clone)
        seed = f"{clone.name}-seed.iso" if carried.seed_volume_id else ""
        record = replace(clone.record, seed=seed, uuid=clone.uuid, mark=new_mark())
        ids = CloneIds(
            name=clone.name,
            uuid=clone.uuid,
            macs=clone.macs,
            disk=self._work.pool.file(record.disk),
            seed=self._work.pool.file(seed) if seed else None,
            nvram=self._nvram(clone.name),
            oem_strings=carried.oem_strings,
            record=record,
        )
        self._work.machines.define(self._work.finished(cloned_definition(self._xml, ids)))
        # Not before: what libvirt refused, because somebody else's machine has the name, is not ours to remove.
        self._begun[clone.name] = record

    def _copy(self, clone: Clone) -> None:
        pool, record = self._work.pool, self._begun[clone.name]
        made = self._made.setdefault(clone.name, [])
        # The format is told by the definition, never guessed: a guest can write a qcow2 header into its raw disk. And
        # the files are those that were checked, whatever their headers name by now.
        base = pool.base(self._disk.path, "", "", foreign=self._disk)
        if record.linked:
            pool.overlay(record.disk, base, base.virtual_size, mark=record.mark)
        else:
            pool.copy(record.disk, base, base.virtual_size, mark=record.mark)
        made.append(record.disk)
        if record.seed:
            pool.write_small(record.seed, iso_of(self._carried(clone)), mark=record.mark)
            made.append(record.seed)
        nvram = self._nvram(clone.name)
        if nvram and self._source.nvram:
            try:
                with appearing(nvram, record.mark) as place:
                    copy_sparse(self._source.nvram, place)
            except OSError as error:
                raise HostError(f"The UEFI variables '{nvram}' cannot be written: {error.strerror}.") from error

    def _inject(self, clones: Sequence[Clone]) -> dict[str, Refused]:
        work = self._work
        work.notify(Progress(stage="clone", phase="Writing identities to the disks", percent=60))
        work.log.parent.mkdir(parents=True, exist_ok=True)
        names = {work.pool.file(clone.record.disk): clone.name for clone in clones}
        disks = [(work.pool.file(clone.record.disk), self._steps(clone)) for clone in clones]
        own = {mac.lower() for clone in clones for mac in clone.macs}
        gone = tuple(mac for mac in self._source.macs if mac not in own)
        remarks: dict[str, list[str]] = {}

        def hear(path: Path, text: str) -> None:
            remarks.setdefault(text, []).append(names[path])

        refused = inject(disks, work.accelerator, work.log, claims=clone_claims(gone), remark=hear)
        for text, there in remarks.items():
            work.notify(Note(text=f"{', '.join(there[:5])}{' and others' * (len(there) > 5)}: {text}", warning=True))
        return {names[one.path]: one for one in refused}

    def _steps(self, clone: Clone) -> tuple[Step, ...]:
        """Return the edits of one clone's disk; one without network settings of its own keeps the source's."""
        macs = tuple(zip(self._source.macs, clone.macs, strict=True))
        edits = clone_steps(clone.identity.hostname, macs, keeps_network=not clone.identity.nics)
        return (*edits, *patient_steps(self._work.accelerator))

    def _finish(self, clone: Clone) -> None:
        if self._work.start:
            self._work.machines.start(clone.name, paused=self._work.paused)
        record = self._begun[clone.name]
        self._work.machines.set_record(clone.name, replace(record, complete=True))
        del self._begun[clone.name]
        self._unmark(clone.name, record)

    def _unmark(self, name: str, record: MachineRecord) -> None:
        self._work.pool.unmark(record.mark, *filter(None, (record.disk, record.seed)))
        if nvram := self._nvram(name):
            unmark(nvram, record.mark)

    def _undo(self) -> None:
        for name, record in list(self._begun.items()):
            self._work.notify(Note(text=f"What was begun of '{name}' is removed."))
            self._tell(discard(name, record, self._made.get(name, ()), self._work.machines, self._work.pool))

    def _tell(self, texts: Iterable[str]) -> None:
        for text in texts:
            self._work.notify(Note(text=text, warning=True))

    def _carried(self, clone: Clone) -> Carried:
        return carry(clone.identity, self._personalise, clone.name)

    def _nvram(self, name: str) -> Path | None:
        """Return where the copy of the UEFI variables lies: beside the source's, where libvirt may write."""
        old = self._source.nvram
        return old.with_name(f"{name}_VARS{old.suffix}") if old and old.exists() else None

    def _each(self, clones: Sequence[Clone], act: Callable[[Clone], None], phase: str) -> None:
        over = 0

        def done(_clone: Clone) -> None:
            nonlocal over
            over += 1
            percent = 100 * over / len(clones)
            self._work.notify(
                Progress(stage="clone", phase=phase, percent=percent, done=over, total=len(clones), unit="machines")
            )

        each(clones, act, AT_ONCE, done)
