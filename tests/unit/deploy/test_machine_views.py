import dataclasses
import json

import pytest
import yaml
from sample_fleets import existing as made
from sample_fleets import fleet, plan, stranger

from imgpipe.cli import machine_views
from imgpipe.deploy.existing import ExistingNic, Proven
from imgpipe.deploy.reachable import addresses_of
from imgpipe.deploy.selection import Choice, chosen, require_a_choice
from imgpipe.errors import RecipeError

BRIDGED = (ExistingNic(kind="bridge", source="br1", mac="52:54:00:00:00:01"),)
USER = (ExistingNic(kind="user", source="", mac="52:54:00:00:00:02"),)


def proven(*addresses):
    return Proven(hostname="web-01", machine_id="a" * 32, host_keys=("SHA256:x",), macs=(), addresses=addresses)


def machine(index=0, **changes):
    return made(plan(fleet(domain="shop.example")).machines[index], **changes)


@pytest.mark.parametrize(
    ("changes", "addresses"),
    [
        ({}, ["10.100.1.10"]),
        ({"addresses": (), "nics": BRIDGED, "proven": proven("192.168.1.7/24", "fe80::1/64")}, ["192.168.1.7"]),
        (
            {"nics": BRIDGED, "proven": proven("169.254.1.1/16", "10.100.1.10/24", "10.9.9.9")},
            ["10.100.1.10", "10.9.9.9"],
        ),
        ({"addresses": (), "nics": USER, "proven": proven("10.0.2.15/24")}, []),
        ({"addresses": (), "nics": USER + BRIDGED, "proven": proven("10.0.2.15/24", "10.9.9.9")}, ["10.9.9.9"]),
        ({"addresses": (), "nics": BRIDGED, "proven": proven("10.0.2.15/24")}, ["10.0.2.15"]),
        ({"addresses": ("no address",), "nics": BRIDGED}, []),
        # A guest that says so would have whoever logs in at it log in at his own host, or at nobody's.
        (
            {"addresses": (), "nics": BRIDGED, "proven": proven("0.0.0.0/8", "127.0.0.1/8", "224.0.0.1/4", "10.9.9.9")},
            ["10.9.9.9"],
        ),
        ({"addresses": (), "nics": BRIDGED, "proven": proven("255.255.255.255/32", "240.0.0.1/4")}, []),
    ],
)
def test_a_machine_is_reached_where_it_answers(changes, addresses):
    assert [str(address) for address in addresses_of(machine(**changes))] == addresses


def test_a_list_shows_only_what_imgpipe_made(capsys):
    machine_views.show([machine(), stranger("vm001")], None, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["NAME", "STATE", "FLEET", "GROUP", "TEMPLATE", "ADDRESSES", "USED"]
    assert lines[1].split() == ["web-01", "running", "shop", "web", "rocky9@20260301.1", "10.100.1.10", "256", "MiB"]
    assert len(lines) == 2


def test_json_has_what_the_guest_proved(capsys):
    machine_views.show([machine(proven=proven())], "ansible", as_json=True)
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["fleet"], told["machine_id"], told["host_keys"]) == ("shop", "a" * 32, ["SHA256:x"])
    assert told["hostname"] == "web-01.shop.example"
    assert (told["user"], told["own"]) == ("root", [])


def test_json_has_what_a_machine_has_of_its_own():
    assert machine_views.values(machine(settings='{"memory": 1073741824, "cpus": 2}'))["own"] == ["cpus", "memory"]
    assert machine_views.values(machine(settings="{"))["own"] == []
    assert machine_views.values(machine(settings="[" * 100_000))["own"] == []


@pytest.mark.parametrize(
    ("changes", "state"),
    [({}, "running"), ({"active": False}, "off"), ({"complete": False, "active": True}, "incomplete")],
)
def test_a_state_is_one_word(changes, state):
    assert machine_views.state(machine(**changes)) == state


@pytest.mark.parametrize(
    "name", ["*", "web*", "!web-01", "a b", 'a"b', "-x", "#a", "web[1:9]", "{{ x }}", "a\nb", "a:22", "a@b"]
)
@pytest.mark.parametrize("form", ["ssh-config", "ansible"])
def test_a_name_that_means_something_to_the_reader_is_left_out(name, form, capsys):
    renamed = dataclasses.replace(machine(1), name=name)
    machine_views.show([machine(), renamed], form, as_json=False)
    told = capsys.readouterr()
    machine_views.show([machine()], form, as_json=False)
    assert told.out == capsys.readouterr().out
    assert "is left out" in told.err


@pytest.mark.parametrize("hostname", ["*", "a *", "x\nProxyCommand touch /tmp/x", "{{ lookup('pipe', 'id') }}"])
def test_a_host_name_of_metadata_is_no_pattern_and_no_template(hostname, capsys):
    machine_views.show([machine(hostname=hostname)], "ssh-config", as_json=False)
    assert capsys.readouterr().out.splitlines()[0] == "Host web-01"
    machine_views.show([machine(hostname=hostname, template=hostname)], "ansible", as_json=False)
    told = yaml.safe_load(capsys.readouterr().out)
    assert told["all"]["hosts"]["web-01"] == {
        "ansible_host": "10.100.1.10", "ansible_user": "root", "ansible_ssh_common_args": "-o HostKeyAlias=web-01"
    }  # fmt: skip


ALL = (machine(), machine(1, group="db"), machine(2, fleet="other"), stranger("vm001"))


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        (Choice(), ["web-01", "web-02", "web-03"]),
        (Choice(fleet="shop"), ["web-01", "web-02"]),
        (Choice(fleet="shop", group="db"), ["web-02"]),
        (Choice(names=("web-03",)), ["web-03"]),
        (Choice(names=("web-01", "web-03"), fleet="shop"), ["web-01"]),
    ],
)
def test_machines_are_chosen_by_name_group_and_fleet(choice, names):
    assert [one.name for one in chosen(ALL, choice)] == names


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (Choice(names=("vm001",)), "was not made by imgpipe"),
        (Choice(names=("web-1",)), "There is no machine 'web-1'"),
        (Choice(fleet="shpo"), "No machine here is of a fleet 'shpo'"),
        (Choice(fleet="shop", group="cache"), "No machine here is of a group 'cache'"),
        (Choice(fleet="other", group="db"), "No machine is in all of these: the fleet 'other', the group 'db'"),
        (Choice(names=("web-01",), fleet="other"), "No machine is in all of these: 'web-01', the fleet 'other'"),
    ],
)
def test_what_cannot_be_chosen_is_told(choice, said):
    with pytest.raises(RecipeError, match=said):
        chosen(ALL, choice)


def test_a_misspelt_fleet_is_told_with_the_nearest():
    with pytest.raises(RecipeError) as told:
        chosen(ALL, Choice(fleet="shpo"))
    assert told.value.hint == "Did you mean shop?"


def test_nothing_said_is_never_everything():
    with pytest.raises(RecipeError, match="No machine was named"):
        require_a_choice(Choice())
