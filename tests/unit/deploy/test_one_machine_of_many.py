"""`[machines.NAME]`: what one machine of a group has instead of what its group says."""

from ipaddress import IPv4Interface

import pytest
from sample_fleets import FACTS, HASH, KEY, WEB, fleet, plan

from imgpipe.cli.deploy_views import describe
from imgpipe.errors import RecipeError
from imgpipe.os_family import Account
from imgpipe.sizes import GIB

OWN = f"""
[machines.web-02]
cpus = 8
memory = "16 GiB"
disk = "100 GiB"
autostart = true
root = {{keys = ["{KEY}"], password = {{env = "OWN_PW"}}}}
[[machines.web-02.nics]]
bridge = "br1"
addresses = "10.100.1.10-10.100.1.19/24"
[[machines.web-02.nics]]
bridge = "br2"
"""


def planned(own=OWN, **more):
    return plan(fleet(WEB + own), **more)


def faults(own):
    with pytest.raises(RecipeError) as caught:
        planned(own)
    return caught.value.details


def test_one_machine_has_its_own_and_the_others_their_groups():
    accounts = {
        "web/root": Account(name="root", password_hash=HASH),
        "machines.web-02/root": Account(name="root", password_hash=HASH[::-1]),
    }
    first, own, last = planned(accounts=accounts).machines
    assert (own.machine.cpus, own.machine.memory, own.machine.disk) == (8, 16 * GIB, 100 * GIB)
    assert (own.autostart, own.group, own.template) == (True, "web", first.template)
    assert (own.identity.keys, own.identity.password_hash) == ((KEY,), HASH[::-1])
    assert [(nic.source, nic.address) for nic in own.identity.nics] == [
        ("br1", IPv4Interface("10.100.1.11/24")),
        ("br2", None),
    ]
    for other in (first, last):
        assert (other.machine.cpus, other.machine.memory, other.autostart) == (2, 2 * GIB, False)
        assert (other.identity.keys, other.identity.password_hash) == ((), HASH)
        assert [nic.source for nic in other.identity.nics] == ["br1"]
    assert last.identity.nics[0].address == IPv4Interface("10.100.1.12/24")


def test_the_plan_shows_that_it_is_another_one():
    lines = [line for line in describe(planned()).splitlines() if line.startswith("web: ")]
    assert [line.split(", ")[1:3] for line in lines] == [
        ["2 vCPU", "2 GiB memory"],
        ["8 vCPU", "16 GiB memory"],
        ["2 vCPU", "2 GiB memory"],
    ]


def test_a_machine_that_the_fleet_does_not_have_is_told_with_the_nearest():
    assert faults("[machines.web-2]\ncpus = 8\n[machines.mail]\ncpus = 8\n") == (
        "machines.web-2: the fleet has no such machine; did you mean 'web-02'?",
        "machines.mail: the fleet has no such machine",
    )


@pytest.mark.parametrize(
    ("own", "key"),
    [
        ('template = "rocky7"', "machines.web-02.template"),
        ('disk = "1 GiB"', "machines.web-02.disk"),
        ('cache = "unsafe"', "machines.web-02.cache"),
        ('nics = [{bridge = "br9"}]', "machines.web-02.nics.0.bridge"),
        ('nics = [{bridge = "br1", addresses = "10.100.1.1/24"}]', "machines.web-02.nics.0.addresses"),
        ('nics = [{bridge = "br1", fixed = {web-01 = "10.9.9.9/24"}}]', "machines.web-02.nics.0.fixed"),
    ],
)
def test_a_fault_names_the_machines_own_key(own, key):
    assert key in {fault.partition(": ")[0] for fault in faults(f"[machines.web-02]\n{own}\n")}


def test_a_fault_of_the_group_is_told_of_the_group():
    own = 'disk = "1 GiB"\n[machines.web-02]\ncpus = 8\n'
    with pytest.raises(RecipeError) as caught:
        plan(fleet(WEB.replace("count = 3", f"count = 3\n{own.splitlines()[0]}") + "[machines.web-02]\ncpus = 8\n"))
    assert [fault.partition(": ")[0] for fault in caught.value.details] == ["groups.web.disk"]


def test_addresses_fixed_in_the_group_stay_the_others():
    text = WEB.replace('dns = ["10.100.1.2"]', 'fixed = {web-01 = "10.100.1.15/24"}')
    machines = plan(fleet(f"{text}[machines.web-02]\ncpus = 8\n"), FACTS).machines
    assert [str(machine.identity.nics[0].address.ip) for machine in machines] == [
        "10.100.1.15", "10.100.1.10", "10.100.1.11",
    ]  # fmt: skip


def test_a_machines_one_address_is_not_given_to_another_first():
    own = '[[machines.web-02.nics]]\nbridge = "br1"\naddresses = "10.100.1.10/24"\n'
    machines = planned(own).machines
    assert [str(machine.identity.nics[0].address.ip) for machine in machines] == [
        "10.100.1.11", "10.100.1.10", "10.100.1.12",
    ]  # fmt: skip


@pytest.mark.parametrize("own", ["count = 2", 'names = ["a"]', "first = 1", 'memori = "1 GiB"'])
def test_what_makes_a_group_is_no_key_of_a_machine(own):
    with pytest.raises(RecipeError) as caught:
        fleet(f"{WEB}[machines.web-02]\n{own}\n")
    assert caught.value.details[0].startswith("machines.web-02.")
