"""What a run does to machines and pool, and what is left when it fails or is stopped anywhere."""

import dataclasses
import threading

import pytest
from fake_libvirt import FakeMachines, FakePool, Fakes, incomplete
from sample_fleets import FACTS, fleet, plan

from imgpipe.deploy import bring_up
from imgpipe.deploy.changes import Make, Rebuild, change_of
from imgpipe.deploy.definitions import HostPolicy
from imgpipe.deploy.parallel import each
from imgpipe.deploy.removal import unused_bases
from imgpipe.deploy.room import base_volume
from imgpipe.deploy.wanted import WantedFile
from imgpipe.deploy.workshop import Workshop
from imgpipe.errors import GuestError, HostError, RecipeError
from imgpipe.events import Note, Progress
from imgpipe.images.catalog import image_lock
from imgpipe.images.disk_uses import DiskUse
from imgpipe.offline_edits import WriteFile
from imgpipe.os_family import Personalise
from imgpipe.recipe import Machine
from imgpipe.sizes import GIB
from imgpipe.store import Store


class Run:
    """A workshop of fakes, and three machines to make in it."""

    def __init__(self, tmp_path, *, local=True):
        disk = tmp_path / "golden.qcow2"
        disk.touch()
        self.fakes = Fakes()
        self.machines = FakeMachines(self.fakes)
        self.pool = FakePool(self.fakes, local=local)
        self.pool.machines = self.machines
        self.heard = []
        self.wanted = tuple(
            dataclasses.replace(
                machine,
                template=dataclasses.replace(machine.template, disk=disk),
                identity=dataclasses.replace(machine.identity, password_hash=""),
            )
            for machine in plan(fleet(), FACTS).machines
        )
        self.names = [machine.name for machine in self.wanted]
        self.shop = Workshop(
            machines=self.machines,
            pool=self.pool,
            pool_of=lambda _: self.pool,
            policy=HostPolicy(folder=self.pool.path, accelerator="kvm"),
            store=Store(tmp_path / "data"),
            notify=self.heard.append,
            at_once=1,
        )

    def changes(self, *wanted):
        return [
            change_of(one, self.machines.find(one.name) if one.name in self.machines.known else None)
            for one in wanted or self.wanted
        ]

    def apply(self, *wanted, **different):
        bring_up.apply(self.changes(*wanted), dataclasses.replace(self.shop, **different))

    def complete(self):
        return [one.name for one in self.machines.list() if one.record.complete]


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


def test_machines_are_defined_before_their_disks_and_complete_after_their_start(run):
    run.apply()
    name = run.names[0]
    about = [call for call in run.fakes.calls if any(name in str(word) for word in call)]
    assert about == [("define", name), ("overlay", f"{name}.qcow2"), ("start", name), ("record", name, True)]
    assert run.fakes.calls.index(("define", run.names[-1])) < run.fakes.calls.index(("overlay", f"{name}.qcow2"))
    assert run.complete() == run.names
    assert run.fakes.calls.count(("refresh",)) == 1


def test_progress_counts_machines(run):
    run.apply()
    told = [(event.done, event.total) for event in run.heard if isinstance(event, Progress)]
    assert told == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), SystemExit(143), HostError("no room")])
@pytest.mark.parametrize("step", ["define", "overlay", "start", "record"])
def test_whatever_stops_a_run_only_whole_machines_are_left(run, step, stop):
    second = run.names[1]
    call = {"overlay": ("overlay", f"{second}.qcow2"), "record": ("record", second, True)}.get(step, (step, second))
    run.fakes.raising[call] = stop
    with pytest.raises(type(stop)):
        run.apply()
    left = [] if step == "define" else run.names[:1]
    assert list(run.machines.known) == left
    assert run.complete() == left
    assert set(run.pool.volumes) == {f"{name}.qcow2" for name in left}
    run.fakes.raising.clear()
    run.apply()
    assert run.complete() == run.names


def test_what_cannot_be_removed_is_left_for_the_next_run_with_a_warning(run):
    run.fakes.failing |= {("start", run.names[0]), ("remove", run.names[0])}
    with pytest.raises(HostError, match="no start"):
        run.apply()
    assert any(note.warning for note in run.heard if isinstance(note, Note))
    assert run.names[0] in run.machines.known
    run.fakes.failing.clear()
    run.apply()
    assert run.complete() == run.names


def test_half_a_machine_is_removed_first(run):
    run.apply()
    incomplete(run.machines, run.names[0], run.pool)
    run.fakes.calls.clear()
    (change, *_) = run.changes()
    assert isinstance(change, Make)
    run.apply()
    assert ("remove", run.names[0]) in run.fakes.calls
    assert run.complete() == run.names


def test_a_rebuilt_machine_is_removed_and_made_again(run):
    run.apply()
    existing = run.machines.find(run.names[0])
    run.fakes.calls.clear()
    bring_up.apply([Rebuild(machine=run.wanted[0], existing=existing, why="older")], run.shop)
    steps = [call[0] for call in run.fakes.calls]
    assert steps.index("remove") < steps.index("define") < steps.index("overlay")
    assert run.complete() == run.names


def test_names_and_volumes_that_are_taken_are_refused_before_anything_is_made(run):
    run.pool.volumes[f"{run.names[1]}.qcow2"] = "precious"
    with pytest.raises(RecipeError, match="volumes already"):
        run.apply()
    assert not run.machines.known
    run.pool.volumes.clear()
    run.machines.known[run.names[1]] = "<domain/>"
    with pytest.raises(RecipeError, match="machines already"):
        bring_up.apply([Make(machine=machine) for machine in run.wanted], run.shop)
    assert run.machines.known == {run.names[1]: "<domain/>"}


def test_an_image_that_is_gone_is_told_and_nothing_is_made(run):
    run.wanted[0].template.disk.unlink()
    with pytest.raises(HostError, match="is gone"):
        run.apply()
    assert not run.machines.known


def test_a_secret_travels_in_a_seed_that_goes_with_the_machine(run):
    secret = dataclasses.replace(
        run.wanted[0],
        identity=dataclasses.replace(
            run.wanted[0].identity, files=(WantedFile(path="/etc/t", text="hush", secret=True),)
        ),
    )
    run.apply(secret)
    seed = f"{secret.name}-seed.iso"
    assert seed in run.pool.volumes
    assert seed in run.machines.known[secret.name]
    bring_up.remove(run.machines.list(), run.shop)
    assert not run.pool.volumes
    assert not run.machines.known


def test_a_machine_with_an_answer_file_on_a_cd_is_made_without_an_appliance(run):
    def own_files(identity, _):
        return (WriteFile(path="/Unattend.xml", content=identity.password),)

    machine = dataclasses.replace(
        run.wanted[0],
        identity=dataclasses.replace(run.wanted[0].identity, password="Good-pass-1"),
        template=dataclasses.replace(
            run.wanted[0].template, personalise=Personalise(way="unattend-cd", network="none"), own_files=own_files
        ),
    )
    run.apply(machine, inject=lambda _: pytest.fail("an appliance was asked for"))
    seed = f"{machine.name}-seed.iso"
    assert b"Good-pass-1" in run.pool.volumes[seed]
    assert seed in run.machines.known[machine.name]
    assert "Good-pass-1" not in run.machines.known[machine.name]
    assert run.complete() == [machine.name]
    bring_up.remove(run.machines.list(), run.shop)
    assert not run.pool.volumes


def test_an_uploaded_image_stays_while_a_linked_machine_needs_it(tmp_path):
    run = Run(tmp_path, local=False)
    run.apply()
    base = base_volume(run.wanted[0].template)
    assert base in run.pool.volumes
    first, *others = run.machines.list()
    bring_up.remove([first], run.shop)
    assert base in run.pool.volumes
    bring_up.remove(others, run.shop)
    assert not run.pool.volumes


def test_a_foreign_template_gets_its_identity_written_before_the_first_start(run):
    foreign = [
        dataclasses.replace(one, template=dataclasses.replace(one.template, prepared=False)) for one in run.wanted
    ]
    with pytest.raises(HostError, match="no unit"):
        run.apply(*foreign)
    assert not run.machines.known
    run.apply(*foreign, inject=lambda disks: run.fakes.note("inject", len(disks)))
    steps = [call[0] for call in run.fakes.calls[run.fakes.calls.index(("inject", 3)) - 1 :]]
    assert steps[:3] == ["overlay", "inject", "start"]
    assert run.complete() == run.names


def test_a_machine_that_must_stop_does_so_only_if_it_may(run):
    run.apply()
    bigger = dataclasses.replace(run.wanted[0], machine=Machine(cpus=8, memory=4 * GIB, disk=15 * GIB))
    run.fakes.calls.clear()
    run.apply(bigger)
    assert ("stop", bigger.name) not in run.fakes.calls
    assert run.machines.find(bigger.name).cpus == 8
    assert any("next start" in note.text for note in run.heard if isinstance(note, Note))
    larger = dataclasses.replace(bigger, machine=Machine(cpus=9, memory=4 * GIB, disk=15 * GIB))
    run.apply(larger, may_stop=True)
    steps = [call for call in run.fakes.calls if call[0] in {"stop", "start"}]
    assert steps == [("stop", larger.name), ("start", larger.name)]


def test_a_machine_that_does_not_shut_down_is_not_changed(run):
    run.apply()
    before = run.machines.known[run.names[0]]
    run.machines.stubborn.add(run.names[0])
    bigger = dataclasses.replace(run.wanted[0], machine=Machine(cpus=8, memory=4 * GIB, disk=15 * GIB))
    with pytest.raises(GuestError, match="did not shut down"):
        run.apply(bigger, may_stop=True)
    assert run.machines.known[run.names[0]] == before


def test_a_machine_of_somebody_else_is_never_removed(run):
    run.apply()
    foreign = dataclasses.replace(run.machines.find(run.names[0]), record=None)
    with pytest.raises(RecipeError, match="not made by imgpipe"):
        bring_up.remove([foreign], run.shop)
    assert run.names[0] in run.machines.known


def test_at_most_so_many_are_worked_on_at_once_and_items_are_taken_as_needed():
    running, most, taken = 0, 0, 0
    lock = threading.Lock()
    together = threading.Barrier(3, timeout=20)

    def items():
        nonlocal taken
        for number in range(30):
            taken += 1
            yield number

    def act(_number):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
            assert taken <= over[0] + 6
        together.wait()
        with lock:
            running -= 1

    over = [0]

    def done(_number):
        over[0] += 1

    each(items(), act, 3, done)
    assert (most, over[0]) == (3, 30)


def test_after_a_failure_nothing_more_is_begun_and_all_errors_are_told():
    begun = []

    def act(number):
        begun.append(number)
        raise HostError(f"bad {number}")

    with pytest.raises(HostError, match="bad 0"):
        each(range(100), act, 2, lambda _: None)
    assert len(begun) <= 2


@pytest.mark.parametrize(
    ("use", "unknown"),
    [
        (DiskUse(owner="stranger", chain=("/elsewhere/top.qcow2", "/pool/BASE"), ended=True), ()),
        (DiskUse(owner="stranger", chain=("/pool/BASE",), ended=True), ()),
        (DiskUse(owner="/pool/top", chain=("/pool/top", "/pool/BASE"), ended=True, volume=True), ()),
        (DiskUse(owner="stranger", chain=("/elsewhere/unseen.qcow2",)), ()),
        (DiskUse(owner="stranger", chain=("/elsewhere/own.raw",), ended=True), ("the pool 'x' is not active",)),
    ],
)
def test_an_uploaded_image_stays_while_anybody_may_need_it(tmp_path, use, unknown):
    run = Run(tmp_path, local=False)
    run.apply()
    base = base_volume(run.wanted[0].template)
    chain = tuple(path.replace("BASE", base) for path in use.chain)
    run.machines.uses = [dataclasses.replace(use, chain=chain)]
    run.machines.unknown = unknown
    bring_up.remove(run.machines.list(), dataclasses.replace(run.shop, despite_unknown=True))
    assert set(run.pool.volumes) == {base}
    assert any(f"'{base}' stays" in note.text for note in run.heard if isinstance(note, Note))


def test_an_uploaded_image_stays_while_libvirt_cannot_say_who_needs_it(tmp_path):
    run = Run(tmp_path, local=False)
    run.apply()
    answers = [run.machines.disk_uses()]

    def disk_uses():
        if not answers:
            raise HostError("no answer")
        return answers.pop()

    run.machines.disk_uses = disk_uses
    bring_up.remove(run.machines.list(), run.shop)
    assert set(run.pool.volumes) == {base_volume(run.wanted[0].template)}
    assert any(note.warning and "no answer" in note.text for note in run.heard if isinstance(note, Note))


def test_an_uploaded_image_stays_while_a_deploy_holds_its_template(tmp_path):
    run = Run(tmp_path, local=False)
    run.apply()
    template = run.wanted[0].template
    with image_lock(run.shop.store, template.name, lambda _: None):
        bring_up.remove(run.machines.list(), run.shop)
    assert set(run.pool.volumes) == {base_volume(template)}


def test_definitions_are_made_while_the_image_cannot_be_removed(run):
    """Between a plan and the definitions that name the image, nobody has it: the lock is what keeps it then."""
    template = run.wanted[0].template
    define, held = run.machines.define, []

    def defined(xml):
        with pytest.raises(HostError, match="in use"), image_lock(run.shop.store, template.name, print, wait=False):
            pass
        held.append(True)
        define(xml)

    run.machines.define = defined
    run.apply()
    assert len(held) == len(run.names)


def test_an_image_that_is_named_by_its_files_path_cannot_be_removed_meanwhile_either(run):
    disk = run.shop.store.images / "rocky9" / "20260301.1" / "golden.qcow2"
    disk.parent.mkdir(parents=True)
    disk.touch()
    one = run.wanted[0]
    named = dataclasses.replace(one, template=dataclasses.replace(one.template, name=str(disk), version="", disk=disk))
    define, held = run.machines.define, []

    def defined(xml):
        with pytest.raises(HostError, match="in use"), image_lock(run.shop.store, "rocky9", print, wait=False):
            pass
        held.append(True)
        define(xml)

    run.machines.define = defined
    run.apply(named)
    assert held == [True]


def bases(run, *, template="x@1", volumes=("imgpipe-x-1-12345678.qcow2",), **left):
    """Ask which volumes go when a machine made from `template` did, and one with `left` in its record stays."""
    run.apply()
    gone, stays = (dataclasses.replace(one.record, template=template) for one in run.machines.list()[:2])
    other = dataclasses.replace(run.machines.list()[1], record=dataclasses.replace(stays, **left))
    return unused_bases(volumes, [gone], [other])


def test_the_image_of_a_machine_that_is_being_made_is_needed_also_where_it_will_be_a_copy(run):
    assert bases(run, linked=False, complete=False) == ()


def test_the_image_of_a_finished_copy_is_not_needed(run):
    assert bases(run, linked=False) == ("imgpipe-x-1-12345678.qcow2",)


def test_a_machines_disk_that_is_called_like_an_image_is_none(run):
    assert bases(run, linked=False, disk="imgpipe-x-1-12345678.qcow2") == ()
    assert bases(run, linked=False, volumes=("imgpipe-y-1-12345678.qcow2", "x.qcow2")) == ()


def with_secret(machine):
    files = (WantedFile(path="/etc/t", text="hush", secret=True),)
    return dataclasses.replace(machine, identity=dataclasses.replace(machine.identity, files=files))


def test_a_seed_that_a_machine_gets_later_replaces_nobodys_volume(run):
    run.apply()
    machine, seed = with_secret(run.wanted[0]), f"{run.names[0]}-seed.iso"
    run.pool.volumes[seed] = "precious"
    with pytest.raises(HostError, match="is there already"):
        run.apply(machine)
    assert run.pool.volumes[seed] == "precious"
    assert run.machines.find(machine.name).record.seed == ""
    del run.pool.volumes[seed]
    run.apply(machine)
    assert run.pool.volumes[seed] != "precious"
    assert run.machines.find(machine.name).record.seed == seed


def test_a_seed_whose_making_was_killed_is_made_again(run):
    run.apply()
    machine, seed = with_secret(run.wanted[0]), f"{run.names[0]}-seed.iso"
    run.fakes.raising["define", machine.name] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        run.apply(machine)
    assert seed in run.pool.volumes
    run.fakes.raising.clear()
    run.apply(machine)
    assert run.machines.find(machine.name).record.seed == seed
