import dataclasses

import pytest
from sample_fleets import FACTS, TEMPLATE, after, existing, fleet, plan, with_machines

from imgpipe.deploy.changes import Keep, Make, Modify, Rebuild, Remove
from imgpipe.deploy.resolving import Choices
from imgpipe.errors import RecipeError
from imgpipe.sizes import GIB

NEWER = dataclasses.replace(TEMPLATE, version="20260401.1", sha256="b" * 64)


def one(asked=None, **changes):
    """Plan for a single machine that is there, and differs from what is asked for by `changes`."""
    made = plan(fleet(count=1)).machines[0]
    (change,) = plan(asked or fleet(count=1), with_machines(existing(made, **changes))).changes
    return change


def test_what_is_as_it_shall_be_is_kept():
    assert isinstance(one(), Keep)


def test_more_machines_are_made_beside_those_that_are_there():
    changes = plan(fleet(count=5), after(plan(fleet(count=3)))).changes
    assert [type(change) for change in changes] == [Keep] * 3 + [Make] * 2


def test_fewer_machines_leave_orphans_that_only_prune_removes():
    facts = after(plan(fleet(count=3)))
    kept = plan(fleet(count=1), facts)
    assert [machine.name for machine in kept.orphans] == ["web-02", "web-03"]
    assert kept.is_done
    assert "'web-02', 'web-03'" in " ".join(kept.notes)
    pruned = plan(fleet(count=1), facts, choices=Choices(prune=True))
    assert [type(change) for change in pruned.changes] == [Keep, Remove, Remove]
    assert pruned.orphans == ()
    assert pruned.lost == ("web-02", "web-03")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"cpus": 4}, "2 vCPU instead of 4"),
        ({"memory": GIB}, "2 GiB memory instead of 1 GiB"),
        ({"cache": "writeback"}, "cache mode 'none' instead of 'writeback'"),
        ({"nics": ()}, "NICs on br1 instead of nothing"),
        ({"virtual_size": 10 * GIB}, "15 GiB disk instead of 10 GiB"),
        ({"hostname": "old"}, "host name 'web-01' instead of 'old'"),
        ({"addresses": ()}, "10.100.1.10/24 instead of DHCP"),
        ({"identity": "0" * 16}, "other keys, passwords, users, files or network settings in the guest"),
    ],
)
def test_what_needs_a_stop_says_so_in_words(changes, said):
    change = one(**changes)
    assert isinstance(change, Modify)
    assert (change.what, change.needs_stop) == ((said,), True)


def test_a_machine_that_is_off_needs_no_stop():
    change = one(fleet(count=1, start=False), cpus=4, active=False)
    assert isinstance(change, Modify)
    assert not change.needs_stop


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"autostart": True}, "it does not start with the host any more"),
        ({"group": "old"}, "it moves from group 'old' to 'web'"),
        ({"active": False}, "it is started"),
    ],
)
def test_what_needs_no_stop_is_done_while_it_runs(changes, said):
    change = one(**changes)
    assert isinstance(change, Modify)
    assert (change.what, change.needs_stop, change.start) == ((said,), False, said == "it is started")


def test_start_false_leaves_a_running_machine_alone():
    assert isinstance(one(fleet(count=1, start=False)), Keep)


def test_what_was_interrupted_is_made_again_and_its_leftover_named():
    change = one(complete=False)
    assert isinstance(change, Make)
    assert change.leftover is not None
    assert change.leftover.name == "web-01"


def test_a_linked_machine_can_become_independent_but_not_the_other_way():
    change = one(fleet(count=1, linked=False))
    assert isinstance(change, Modify)
    assert change.flatten
    assert change.needs_stop
    copy = existing(plan(fleet(count=1)).machines[0], linked=False)
    kept = plan(fleet(count=1), with_machines(copy))
    assert kept.is_done
    assert not kept.machines[0].linked
    assert "it stays one" in " ".join(kept.notes)


def test_a_disk_never_shrinks_without_being_asked_and_asking_is_a_fault():
    grown = existing(plan(fleet(count=1)).machines[0], virtual_size=40 * GIB)
    kept = plan(fleet(count=1), with_machines(grown))
    assert (kept.is_done, kept.machines[0].machine.disk) == (True, 40 * GIB)
    with pytest.raises(RecipeError) as caught:
        plan(fleet(count=1, disk="20 GiB"), with_machines(grown))
    assert "cannot shrink" in caught.value.details[0]


def outdated(asked, **more):
    return plan(asked, after(plan(fleet(count=2))), templates={"rocky9": NEWER, NEWER.reference: NEWER}, **more)


@pytest.mark.parametrize("pinned", [{}, {"template": NEWER.reference}])
def test_machines_keep_the_version_they_were_made_from_until_a_rebuild_is_asked_for(pinned):
    kept = outdated(fleet(count=3, **pinned))
    assert [type(change) for change in kept.changes] == [Keep, Keep, Make]
    assert [machine.template.reference for machine in kept.machines] == [
        TEMPLATE.reference,
        TEMPLATE.reference,
        NEWER.reference,
    ]
    assert "'web-01', 'web-02': made from 'rocky9@20260301.1', not 'rocky9@20260401.1'" in " ".join(kept.notes)


def test_a_rebuild_says_why_keeps_the_addresses_and_leaves_what_is_new_alone():
    rebuilt = outdated(fleet(count=3), choices=Choices(rebuild=True))
    assert [type(change) for change in rebuilt.changes] == [Rebuild, Rebuild, Make]
    assert rebuilt.changes[0].why == "it was made from 'rocky9@20260301.1', the template is 'rocky9@20260401.1' now"
    assert rebuilt.lost == ("web-01", "web-02")
    assert [str(machine.identity.nics[0].address) for machine in rebuilt.machines] == [
        f"10.100.1.{number}/24" for number in (10, 11, 12)
    ]
    done = plan(fleet(count=3), after(rebuilt), templates={"rocky9": NEWER}, choices=Choices(rebuild=True))
    assert done.is_done


def test_a_change_of_an_older_machine_keeps_it_on_record_what_it_was_made_from():
    changed = outdated(fleet(count=2, cpus=8))
    assert [type(change) for change in changed.changes] == [Modify, Modify]
    assert {machine.template.reference for machine in changed.machines} == {TEMPLATE.reference}


def test_a_rebuild_may_use_the_memory_of_the_machine_it_replaces():
    facts = dataclasses.replace(after(plan(fleet(count=2))), memory_free=0)
    done = plan(fleet(count=2), facts, templates={"rocky9": NEWER}, choices=Choices(rebuild=True))
    assert len(done.lost) == 2


def test_carrying_out_a_plan_leaves_nothing_to_do():
    for asked in (fleet(), fleet(cpus=8, disk="40 GiB", nics=[{"bridge": "br1"}, {"network": "default"}])):
        done = plan(asked, FACTS)
        assert not done.is_done
        assert plan(asked, after(done)).is_done
