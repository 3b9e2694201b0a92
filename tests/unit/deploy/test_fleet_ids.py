"""MACs and UUIDs of fleets that have one name on two hosts, and of what is there already."""

import dataclasses

import pytest
from sample_fleets import FACTS, after, existing, fleet, plan, with_machines

from imgpipe.cli.deploy_views import describe, shown
from imgpipe.deploy.changes import Keep, Make, Modify
from imgpipe.deploy.fleet import Fleet
from imgpipe.deploy.fleet_files import Flags, fleet_of_flags
from imgpipe.deploy.record import record_of
from imgpipe.errors import RecipeError

NICS = [{"bridge": "br1"}, {"bridge": "br2"}]
ONE, TWO = "0b9c7c1e4d0f4b6b8d0c1f5e6a7b8c9d", "7e0a5b9d-91b6-4c0e-8f0a-2b7f6d5c4e3a"


def shop(count=2, fleet_id=None, **more):
    return fleet(count=count, nics=NICS, **more).model_copy(update={"id": fleet_id})


def uuids(done):
    return [machine.uuid for machine in done.machines]


def macs(done):
    return [nic.mac for machine in done.machines for nic in machine.identity.nics]


def earlier(done, **changes):
    """Return the host after an earlier version made a plan's machines."""
    return with_machines(*(existing(machine, fleet_id="", **changes) for machine in done.machines))


def test_without_an_id_they_are_what_they_always_were():
    done = plan(shop())
    assert uuids(done) == ["52743a03-d51c-5683-bd88-b3fe990cefff", "de704580-2af1-5503-b6cb-568998d4e06e"]
    assert macs(done) == ["52:54:00:d8:78:c2", "52:54:00:1e:27:cd", "52:54:00:e8:46:67", "52:54:00:ff:a3:e2"]


def test_two_fleets_of_one_name_share_nothing_and_one_id_gives_the_same_again():
    one, two, none = (plan(shop(50), minted=minted) for minted in (ONE, TWO, ""))
    for mine, theirs in ((one, two), (one, none), (two, none)):
        assert not set(uuids(mine)) & set(uuids(theirs))
        assert not set(macs(mine)) & set(macs(theirs))
    assert plan(shop(50), minted=ONE) == one
    assert uuids(plan(shop(50, ONE), minted=TWO)) == uuids(one)
    assert macs(plan(shop(50, ONE), minted=TWO)) == macs(one)


def test_new_machines_carry_the_id_and_it_goes_on_for_later_ones():
    first = plan(shop(), minted=ONE)
    assert [record_of(machine, "imgpipe").fleet_id for machine in first.machines] == [ONE, ONE]
    later = plan(shop(3), after(first), minted=TWO)
    assert uuids(later) == uuids(plan(shop(3), minted=ONE))
    assert macs(later) == macs(plan(shop(3), minted=ONE))
    assert later.machines[2].fleet_id == ONE


def test_a_first_deploy_that_was_killed_goes_on_with_its_id():
    first = plan(shop(), minted=ONE)
    begun = with_machines(existing(first.machines[0], complete=False, active=False))
    again = plan(shop(), begun, minted=TWO)
    assert {type(change) for change in again.changes} == {Make}
    assert (uuids(again), macs(again), again.fleet_id) == (uuids(first), macs(first), ONE)


@pytest.mark.parametrize("fleet_id", [None, TWO])
def test_machines_of_an_earlier_version_keep_what_they_have_and_new_ones_get_a_new_id(fleet_id):
    before = plan(shop())
    later = plan(shop(3, fleet_id), earlier(before), minted=TWO)
    assert [type(change) for change in later.changes] == [Keep, Keep, Make]
    assert (uuids(later)[:2], macs(later)[:4]) == (uuids(before), macs(before))
    assert uuids(later)[2] == uuids(plan(shop(3), minted=TWO))[2]
    assert later.machines[2].fleet_id == TWO


def test_a_machine_of_an_earlier_version_keeps_what_it_has_when_it_changes():
    before = plan(shop(1))
    (change,) = plan(shop(1, cpus=4, memory="3 GiB"), earlier(before), minted=TWO).changes
    assert isinstance(change, Modify)
    assert change.machine.uuid == before.machines[0].uuid
    assert [nic.mac for nic in change.machine.identity.nics] == macs(before)


def test_a_pin_that_differs_is_for_what_is_new_and_is_told():
    first = plan(shop(), minted=ONE)
    later = plan(shop(3, TWO), after(first), minted="never")
    assert (uuids(later)[:2], macs(later)[:4]) == (uuids(first), macs(first))
    assert [machine.fleet_id for machine in later.machines] == [ONE, ONE, TWO]
    assert f"'web-01', 'web-02': of the id '{ONE}', and kept so; what is new follows from '{TWO}'." in later.notes


def test_different_ids_are_a_fault_until_one_is_pinned():
    one, two = (existing(plan(shop(), minted=minted).machines[index]) for index, minted in enumerate((ONE, TWO)))
    with pytest.raises(RecipeError) as caught:
        plan(shop(3), with_machines(one, two), minted="never")
    (fault,) = caught.value.details
    assert f"'{ONE}' ('web-01'); '{TWO}' ('web-02')" in fault
    assert "'id' in the fleet's file" in fault
    assert uuids(plan(shop(3, TWO), with_machines(one, two)))[2] == uuids(plan(shop(3), minted=TWO))[2]


def test_a_mac_that_somebody_has_is_not_taken_with_an_id_either():
    (mine,) = plan(shop(1), minted=ONE).machines
    taken = existing(mine, fleet="other", hostname="x")
    taken = dataclasses.replace(taken, name="x", uuid="x")
    again, more = (plan(shop(1), with_machines(taken, volumes=frozenset()), minted=ONE) for _ in range(2))
    assert not set(macs(again)) & {nic.mac for nic in mine.identity.nics}
    assert macs(again) == macs(more)


def test_a_plan_before_the_first_deploy_promises_no_macs():
    done = plan(shop(), minted=None)
    told = shown(done)
    assert told["fleet_id"] is None
    assert [(change["uuid"], [nic["mac"] for nic in change["nics"]]) for change in told["changes"]] == [
        (None, [None, None])
    ] * 2
    assert "an id that the deploy mints" in describe(done)


def test_a_plan_tells_the_macs_of_what_is_there_and_of_a_pinned_fleet():
    before = plan(shop(1))
    told = shown(plan(shop(2, cpus=4), earlier(before), minted=None))["changes"]
    assert (told[0]["uuid"], [nic["mac"] for nic in told[0]["nics"]]) == (uuids(before)[0], macs(before))
    assert told[1]["uuid"] is None
    pinned = shown(plan(shop(1, ONE), FACTS, minted=None))
    assert pinned["fleet_id"] == ONE
    assert pinned["changes"][0]["uuid"] == uuids(plan(shop(1), minted=ONE))[0]


@pytest.mark.parametrize("text", [ONE, TWO, "shop.tallinn"])
def test_an_id_is_pinned_by_the_file_or_by_an_option(text):
    table = {"name": "shop", "id": text, "groups": {"web": {"template": "rocky9", "count": 1}}}
    assert Fleet.model_validate(table).id == text
    assert fleet_of_flags(Flags(template="rocky9", name="web", fleet_id=text)).id == text


@pytest.mark.parametrize("text", ["", "a b", "a/b", "id=1", "x" * 65, "\n"])
def test_what_is_no_id_is_refused(text):
    with pytest.raises(RecipeError) as caught:
        fleet_of_flags(Flags(template="rocky9", name="web", fleet_id=text))
    assert caught.value.details[0].startswith("--fleet-id:")


def test_the_schema_knows_the_id():
    assert "Pins" in Fleet.model_json_schema()["properties"]["id"]["description"]
