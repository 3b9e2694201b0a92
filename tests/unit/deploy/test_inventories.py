"""What Ansible and ssh are told of machines; tests/programs lets them read it."""

import dataclasses
from pathlib import Path

import pytest
import yaml
from sample_fleets import existing as made
from sample_fleets import fleet, plan

from imgpipe.cli import inventories
from imgpipe.deploy.host_keys import HostKeys

FILE = Path("/data root/ssh/known_hosts-1")
KNOWN = {"web-01": HostKeys(file=FILE), "web-02": HostKeys(why="it is off")}


def machine(index=0, **changes):
    return made(plan(fleet(domain="shop.example")).machines[index], **changes)


def named(name, **changes):
    return dataclasses.replace(machine(**changes), name=name)


def groups(*machines):
    told = yaml.safe_load(inventories.ansible(machines, {}))
    return {name: list(group["hosts"]) for name, group in told["all"]["children"].items()}


def test_an_inventory_says_where_who_and_by_which_keys():
    told = yaml.safe_load(inventories.ansible([machine(), machine(1, addresses=(), user="ann")], KNOWN))
    assert told["all"]["hosts"] == {
        "web-01": {
            "ansible_host": "10.100.1.10",
            "ansible_user": "root",
            "imgpipe_hostname": "web-01.shop.example",
            "imgpipe_template": "rocky9@20260301.1",
            "ansible_ssh_common_args": "-o HostKeyAlias=web-01 -o 'UserKnownHostsFile=\"/data root/ssh/known_hosts-1\"'"
            " -o StrictHostKeyChecking=yes -o CheckHostIP=no",
        },
        "web-02": {
            "ansible_user": "ann",
            "imgpipe_hostname": "web-02.shop.example",
            "imgpipe_template": "rocky9@20260301.1",
            "ansible_ssh_common_args": "-o HostKeyAlias=web-02",
        },
    }


def test_each_machine_is_in_its_group_and_its_fleet():
    assert groups(machine(), machine(1, group="web-2")) == {
        "web": ["web-01"],
        "group_web": ["web-01"],
        "fleet_shop": ["web-01", "web-02"],
        "web_2": ["web-02"],
        "group_web_2": ["web-02"],
    }


@pytest.mark.parametrize("group", ["all", "ungrouped", "localhost", "01", "4x", "db", "fleet-x", "group-x"])
def test_a_group_that_ansible_takes_for_something_else_has_only_its_long_name(group):
    told = groups(named("db", group=group, fleet="x"))
    assert told == {f"group_{group.replace('-', '_')}": ["db"], "fleet_x": ["db"]}


def test_fleets_that_would_have_one_name_stay_apart():
    told = groups(machine(fleet="a-b"), machine(1, fleet="a.b"))
    fleets = {name: hosts for name, hosts in told.items() if name.startswith("fleet_a_b_")}
    assert sorted(fleets.values()) == [["web-01"], ["web-02"]]
    assert "fleet_a_b" not in told


@pytest.mark.parametrize(
    ("name", "told"),
    [("all", "machine_all"), ("localhost", "machine_localhost"), ("fleet_x", "machine_fleet_x"), ("01", "01")],
)
def test_a_machine_that_is_called_as_something_of_ansibles_has_another_name(name, told):
    found = yaml.safe_load(inventories.ansible([named(name)], {}))
    assert list(found["all"]["hosts"]) == [told]
    assert found["all"]["hosts"][told]["ansible_ssh_common_args"] == f"-o HostKeyAlias={name}"


def test_ssh_finds_a_machine_by_both_its_names():
    assert list(inventories.ssh_config([machine(), machine(1, addresses=()), machine(2, user="ann")], KNOWN)) == [
        "Host web-01 web-01.shop.example",
        "    HostName 10.100.1.10",
        "    User root",
        "    HostKeyAlias web-01",
        '    UserKnownHostsFile "/data root/ssh/known_hosts-1"',
        "    StrictHostKeyChecking yes",
        "    CheckHostIP no",
        "# No address of web-02 is known.",
        "Host web-03 web-03.shop.example",
        "    HostName 10.100.1.12",
        "    User ann",
        "    HostKeyAlias web-03",
    ]


def test_a_host_name_that_another_machine_has_leads_nowhere():
    both = [machine(hostname="web-02"), machine(1, hostname="x"), machine(2, hostname="x")]
    assert [line for line in inventories.ssh_config(both, {}) if line.startswith("Host ")] == [
        "Host web-01",
        "Host web-02",
        "Host web-03",
    ]


def test_what_is_known_to_be_another_one_is_refused_and_no_user_is_a_command():
    known = {"web-01": HostKeys(why="others", foreign=True)}
    lines = list(inventories.ssh_config([machine(user="-x `id`")], known))
    assert lines[2:] == ["    User root", "    HostKeyAlias web-01", "    StrictHostKeyChecking yes"]
