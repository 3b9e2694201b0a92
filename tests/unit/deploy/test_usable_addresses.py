"""Addresses that nobody can have are refused wherever one is asked for."""

import pytest
from pydantic import ValidationError

from imgpipe.deploy.addresses import parse_range
from imgpipe.deploy.clone_flags import CloneFlags, order_of
from imgpipe.deploy.fleet import GroupNic
from imgpipe.errors import RecipeError
from imgpipe.recipe import Nic

NOBODYS = {
    "127.0.0.1": "loopback",
    "224.0.0.5": "multicast",
    "0.0.0.0": "0.0.0.0/8",
    "0.1.2.3": "0.0.0.0/8",
    "240.0.0.1": "reserved",
    "255.255.255.255": "broadcast address of every network",
}
WRONG_GATEWAYS = {
    "10.1.0.0": "is the address of the network",
    "10.1.0.255": "is the broadcast address of",
    "10.9.0.1": "is not in the network",
}


@pytest.mark.parametrize(("address", "reason"), NOBODYS.items())
def test_nobodys_address_is_refused_everywhere(address, reason):
    with pytest.raises(ValidationError, match=reason):
        Nic(name="eth0", address=f"{address}/24")
    with pytest.raises(ValidationError, match=reason):
        Nic(name="eth0", address="10.1.0.5/24", dns=[address])
    with pytest.raises(ValidationError, match=reason):
        GroupNic(bridge="br1", addresses=f"{address}/24")
    with pytest.raises(ValidationError, match=reason):
        GroupNic(bridge="br1", addresses="10.1.0.5/24", dns=[address])
    with pytest.raises(ValidationError, match=reason):
        GroupNic(bridge="br1", fixed={"a": f"{address}/24"})
    with pytest.raises(ValueError, match=reason):
        parse_range(f"{address}/24")
    with pytest.raises(RecipeError) as caught:
        order_of(CloneFlags(names=["a"], dns=[address], gateway=address, addresses=[f"{address}/24"]))
    assert [reason in detail for detail in caught.value.details] == [True] * 3


def test_an_address_without_its_prefix_is_refused_everywhere():
    reason = "needs the network's prefix, such as '10.100.1.10/24'"
    with pytest.raises(ValidationError, match=reason):
        Nic(name="eth0", address="10.1.0.5")
    with pytest.raises(ValidationError, match=reason):
        GroupNic(bridge="br1", fixed={"a": "10.1.0.5"})


@pytest.mark.parametrize(("gateway", "reason"), WRONG_GATEWAYS.items())
def test_a_gateway_that_cannot_be_one_is_refused(gateway, reason):
    with pytest.raises(ValidationError, match=reason):
        Nic(name="eth0", address="10.1.0.5/24", gateway=gateway)
    with pytest.raises(ValidationError, match=reason):
        GroupNic(bridge="br1", addresses="10.1.0.5/24", gateway=gateway)


def test_a_machine_is_not_its_own_gateway_and_no_network_has_the_prefix_0():
    with pytest.raises(ValidationError, match="own address"):
        Nic(name="eth0", address="10.1.0.5/24", gateway="10.1.0.5")
    with pytest.raises(ValidationError, match="prefix /0"):
        Nic(name="eth0", address="10.1.0.5/0")
    with pytest.raises(ValidationError, match="prefix /0"):
        GroupNic(bridge="br1", addresses="10.1.0.5-10.1.0.6/0")
    assert Nic(name="eth0", address="10.1.0.5/24", gateway="10.1.0.1", dns=["10.1.0.1"]).gateway
