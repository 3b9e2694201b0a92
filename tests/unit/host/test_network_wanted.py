import json

import pytest
from jsonschema import Draft202012Validator

from imgpipe.errors import RecipeError
from imgpipe.host.network.wanted import HostNetwork, checked, read

RUNBOOK = {"outside": {"nic": "eth0"}, "inside": {"nic": "eth1", "address": "10.100.1.1/24"}}


def faults(**table):
    with pytest.raises(RecipeError) as caught:
        checked(table, "The host file")
    return "\n".join(caught.value.details)


def test_the_runbooks_network_needs_three_lines():
    network = checked(RUNBOOK, "The host file")
    assert [segment.bridge for segment in network.segments] == ["br1", "br2"]
    assert network.nics == ("eth0", "eth1")
    assert network.goes_by_router


def test_a_static_outside_without_a_gateway_goes_by_no_router():
    assert not checked({"outside": {"nic": "eth0", "address": "10.0.0.2/24"}}, "x").goes_by_router
    assert not checked({"outside": {"nic": "eth0", "default_route": False}}, "x").goes_by_router


def test_unknown_keys_and_bad_values_are_told_at_once():
    said = faults(outside={"nic": "eth0", "adress": "10.0.0.1/24"}, inside={"nic": "a b", "vlan": 5000})
    assert "outside.adress: is no key; did you mean 'address'?" in said
    assert "inside.nic: must be a network interface's name" in said
    assert "inside.vlan: must be at most 4094" in said


def test_an_address_without_its_prefix_is_not_taken_for_a_network_of_one():
    said = faults(outside={"nic": "eth0", "stp": False}, inside={"nic": "eth1", "address": "10.100.1.1"})
    assert "outside.stp: is no key" in said
    assert "inside.address: needs the network's prefix, such as '10.100.1.10/24'" in said


def test_all_contradictions_are_told_at_once():
    said = faults(
        outside={"nic": "eth0", "bridge": "br0", "gateway": "10.0.0.1"},
        inside={"nic": "eth0", "bridge": "br0", "address": "10.0.0.0/24", "gateway": "10.9.0.1"},
        bonds={"bond0": {"nics": ["eth0", "eth0"], "mode": "802.3ad"}},
    )
    assert "outside.gateway: needs an address" in said
    assert "inside.nic: 'eth0' is the outside network's already" in said
    assert "inside.bridge: 'br0' is the outside network's already" in said
    assert "inside.gateway: 10.9.0.1 is not in the network 10.0.0.0/24" in said
    assert "inside.address: 10.0.0.0/24 is the address of the network 10.0.0.0/24 itself" in said
    assert "inside.gateway: the default route is the outside network's" in said
    assert "bonds.bond0: neither network stands on it" in said
    assert "bonds.bond0.nics: names a NIC twice" in said
    assert "bonds.bond0.nics: 'eth0' is used elsewhere too" in said


def test_addresses_that_nobody_can_have_are_told_at_once():
    said = faults(
        outside={"nic": "eth0", "address": "127.0.0.1/8", "gateway": "127.255.255.255", "dns": ["224.0.0.1"]},
        inside={"nic": "eth1", "address": "10.0.0.9/0", "dns": ["0.0.0.0", "255.255.255.255", "10.0.0.53"]},
    )
    assert "outside.address: 127.0.0.1/8 is a loopback address" in said
    assert "outside.gateway: 127.255.255.255 is a loopback address" in said
    assert "outside.dns: 224.0.0.1 is a multicast address" in said
    assert "inside.address: 10.0.0.9/0 has the prefix /0, which is no network" in said
    assert "inside.dns: 0.0.0.0 is of 0.0.0.0/8" in said
    assert "inside.dns: 255.255.255.255 is the broadcast address of every network" in said
    assert "10.0.0.53" not in said


@pytest.mark.parametrize(
    ("gateway", "reason"),
    [
        ("10.0.0.255", "is the broadcast address of 10.0.0.0/24"),
        ("10.0.0.0", "is the address of the network 10.0.0.0/24 itself"),
        ("10.0.0.2", "is the host's own address"),
    ],
)
def test_a_gateway_that_no_router_can_be_is_a_fault(gateway, reason):
    said = faults(outside={"nic": "eth0", "address": "10.0.0.2/24", "gateway": gateway})
    assert said == f"outside.gateway: {gateway} {reason}"


def test_overlapping_networks_and_taken_names_are_faults():
    said = faults(
        outside={"nic": "eth0", "bridge": "eth1", "address": "10.0.0.2/16", "gateway": "10.0.0.1"},
        inside={"nic": "eth1", "address": "10.0.1.1/24"},
    )
    assert "inside.address: its network 10.0.1.0/24 overlaps the outside network 10.0.0.0/16" in said
    assert "outside.bridge: 'eth1' is the name of a NIC" in said


def test_one_nic_carries_both_networks_where_a_vlan_tells_them_apart():
    network = checked({"outside": {"nic": "eth0"}, "inside": {"nic": "eth0", "vlan": 20}}, "x")
    assert network.nics == ("eth0",)
    assert network.inside.port == "eth0.20"


def test_the_name_of_a_vlan_device_must_fit_the_kernel():
    assert "would have more than 15" in faults(outside={"nic": "enp129s0f1np1", "vlan": 4000})


def test_a_file_that_is_no_toml_is_told_by_its_name(tmp_path):
    (tmp_path / "host.toml").write_text("[outside\n")
    with pytest.raises(RecipeError, match=r"host\.toml' cannot be read"):
        read(tmp_path / "host.toml")
    with pytest.raises(RecipeError, match="cannot be read"):
        read(tmp_path / "none.toml")


def test_the_schema_says_the_same_as_the_types():
    schema = HostNetwork.model_json_schema()
    validator = Draft202012Validator(json.loads(json.dumps(schema)))
    assert validator.is_valid(RUNBOOK)
    assert not validator.is_valid({"outside": {"nic": "eth0", "adress": "x"}})
