"""What somebody changed in libvirt is told from what the fleet's file changed, and named before it is undone."""

import dataclasses

import pytest
from sample_fleets import existing, fleet, plan, with_machines

from imgpipe.cli.deploy_views import describe, shown
from imgpipe.deploy.applied import applied_of, parsed, written
from imgpipe.deploy.changes import Keep, Modify
from imgpipe.deploy.existing import ExistingNic
from imgpipe.sizes import GIB

ADDED = ExistingNic(kind="network", source="default", mac="52:54:00:00:00:99")


def planned(asked=None, **changes):
    """Plan for a machine that was made as `fleet` says, and that is different since."""
    (made,) = plan(fleet(count=1)).machines
    return plan(asked or fleet(count=1), with_machines(existing(made, **changes)))


def one(asked=None, **changes):
    (change,) = planned(asked, **changes).changes
    return change


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"cpus": 4}, "2 vCPU instead of 4"),
        ({"current_cpus": 1}, "2 vCPU instead of 1 of 2"),
        ({"memory": 8 * GIB}, "2 GiB memory instead of 8 GiB"),
        ({"current_memory": GIB}, "2 GiB memory instead of 1 GiB of 2 GiB"),
        ({"cache": "unsafe"}, "cache mode 'none' instead of 'unsafe'"),
        ({"nics": (ADDED,)}, "NICs on br1 instead of default"),
        ({"autostart": True}, "it does not start with the host any more"),
    ],
)
def test_what_is_not_as_imgpipe_made_it_was_changed_by_hand(changes, said):
    change = one(**changes)
    assert (change.by_hand, change.unsure) == ((said,), False)
    assert change.told[0] == f"{said} (changed by hand)"


def test_what_the_fleets_file_changes_is_nobodys_hand():
    change = one(fleet(count=1, cpus=8, memory="8 GiB", autostart=True))
    assert len(change.what) == 3
    assert (change.by_hand, change.told) == ((), change.what)


def test_where_both_changed_it_the_hand_is_told_of():
    change = one(fleet(count=1, cpus=8, memory="8 GiB"), cpus=4)
    assert change.told == ("8 vCPU instead of 4 (changed by hand)", "8 GiB memory instead of 2 GiB")


def test_what_the_file_says_by_now_is_noted_and_then_kept():
    asked = fleet(count=1, cpus=8)
    change = one(asked, cpus=8)
    assert isinstance(change, Modify)
    assert change.what == ("what was changed by hand is what it shall be now, and is noted as that",)
    assert (change.by_hand, change.needs_stop) == ((), False)
    again = plan(asked, with_machines(existing(change.machine)))
    assert isinstance(again.changes[0], Keep)


@pytest.mark.parametrize("note", [
    "", "{", "[]", '{"cpus": "x"}', '{"cpus": 2}', "[" * 100_000, '{"cpus": 1e999, "memory": 1}',
])  # fmt: skip
def test_where_no_note_is_nobody_knows_and_that_is_said(note):
    change = one(cpus=4, applied=note)
    assert change.told == ("2 vCPU instead of 4 (perhaps changed by hand)",)
    assert isinstance(one(applied=note), Keep)


def test_a_plan_names_it_for_people_and_for_programs():
    found = planned(cpus=4)
    assert "2 vCPU instead of 4 (changed by hand) (it must stop for that)" in describe(found)
    assert shown(found)["changes"][0]["by_hand"] == ["2 vCPU instead of 4"]
    assert [name for name, _ in found.undone] == ["web-01"]


def test_a_note_comes_back_as_it_was():
    (made,) = plan(fleet(count=1)).machines
    applied = applied_of(made)
    assert parsed(written(applied)) == applied
    assert parsed(written(dataclasses.replace(applied, nics=()))) == dataclasses.replace(applied, nics=())
