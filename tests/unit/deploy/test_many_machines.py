"""What thousands of machines cost: each is looked at a few times, however many there are beside it."""

import dataclasses

import pytest
from sample_fleets import existing, fleet, plan

from imgpipe.cli import machine_views
from imgpipe.deploy.ownership import UNCERTAIN, believed
from imgpipe.deploy.selection import Choice, chosen

MANY = 2000


class Counted(tuple):
    """A tuple that counts how often any of its kind is walked through."""

    walks = 0

    def __iter__(self):
        Counted.walks += 1
        return super().__iter__()


class Name(str):
    """A name that counts how often any of its kind is compared."""

    __slots__ = ()
    compared = 0
    __hash__ = str.__hash__

    def __eq__(self, other):
        Name.compared += 1
        return str.__eq__(self, other)


@pytest.fixture
def many():
    """Machines whose records an earlier version wrote, without a UUID."""
    one = existing(plan(fleet(count=1)).machines[0])
    record = dataclasses.replace(one.record, uuid="")
    return [
        dataclasses.replace(
            one,
            name=Name(f"web-{number}"),
            uuid=f"{number}",
            disk=f"/pool/web-{number}.qcow2",
            backing=Counted(("/images/golden.qcow2",)),
            record=dataclasses.replace(record, disk=f"web-{number}.qcow2"),
        )
        for number in range(MANY)
    ]


def test_whose_records_are_is_judged_without_comparing_each_machine_with_each(many):
    Counted.walks = 0
    judged = believed(many)
    assert all(machine.record for machine in judged)
    assert Counted.walks <= 4 * MANY


def test_a_disk_that_two_of_them_name_is_still_nobodys(many):
    many[7] = dataclasses.replace(many[7], backing=(many[5].disk,))
    judged = believed(many)
    assert [machine.name for machine in judged if machine.stranger == UNCERTAIN] == ["web-5"]


def test_an_inventory_does_not_compare_each_machine_with_each(many, capsys):
    Name.compared = 0
    machine_views.show(many, "ssh-config", as_json=False)
    assert "web-1999" in capsys.readouterr().out
    assert Name.compared <= 4 * MANY


def test_choosing_all_by_name_does_not_compare_each_name_with_each(many):
    names = tuple(Name(machine.name) for machine in reversed(many))
    Name.compared = 0
    assert len(chosen(many, Choice(names=names))) == MANY
    assert Name.compared <= 8 * MANY
