import pytest

from imgpipe.host.network.facts import HostFacts, Link, Route
from imgpipe.host.network.verification import findings
from imgpipe.host.network.wanted import checked

NETWORK = checked({"outside": {"nic": "eth0"}, "inside": {"nic": "eth1", "address": "10.100.1.1/24"}}, "x")
ROUTE = Route(device="br1", gateway="192.168.1.1")


def link(name, **more):
    return Link(name=name, mac="52:54:00:00:00:01", **more)


def port(name, bridge, state="forwarding", **more):
    return link(name, controller=bridge, port_state=state, **more)


GOOD = {
    "br1": link("br1", kind="bridge", addresses=("192.168.1.20/24",)),
    "br2": link("br2", kind="bridge", addresses=("10.100.1.1/24",)),
    "eth0": port("eth0", "br1"),
    "eth1": port("eth1", "br2"),
}


def look(changes=None, routes=(ROUTE,), answers=lambda *_: True):
    links = {**GOOD, **(changes or {})}
    return findings(NETWORK, HostFacts(links=tuple(item for item in links.values() if item), routes=routes), answers)


def wrong(*arguments, **options):
    return [f"{item.device}: {item.text}" for item in look(*arguments, **options) if not item.ok]


def test_the_runbooks_network_is_found_good_and_its_gateway_is_asked():
    asked = []
    found = look(answers=lambda *words: asked.append(words) or True)
    assert all(item.ok for item in found)
    assert asked == [("192.168.1.1", "br1")]
    assert [item.text for item in found if item.device == "eth0"] == ["holds no address", "forwards, as a port of br1"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"br1": None}, "br1: there is no such bridge"),
        ({"br1": link("br1", kind="vlan")}, "br1: there is no such bridge"),
        ({"br1": link("br1", kind="bridge")}, "br1: holds no address: no DHCP server has answered"),
        ({"br2": link("br2", kind="bridge", is_up=False, addresses=("10.100.1.1/24",))}, "br2: the bridge is down"),
        (
            {"br2": link("br2", kind="bridge", addresses=("10.1.1.1/24",))},
            "br2: holds 10.1.1.1/24 instead of 10.100.1.1/24",
        ),
        ({"br2": link("br2", kind="bridge", addresses=("10.100.1.1/16",))}, "instead of 10.100.1.1/24"),
        ({"eth0": port("eth0", "br1", addresses=("10.0.0.1/8",))}, "eth0: still holds 10.0.0.1/8"),
        ({"eth0": port("eth0", "br1", state="blocking")}, "eth0: is a port of br1 in state 'blocking'"),
        ({"eth0": port("eth0", "br2")}, "eth0: is a port of br2 instead of br1"),
        ({"eth0": link("eth0")}, "eth0: is a port of nothing instead of br1"),
        ({"eth1": None}, "eth1: there is no such device"),
    ],
)
def test_each_fault_is_told_in_words(changes, said):
    assert said in "\n".join(wrong(changes))


def test_a_default_route_over_the_nic_or_none_is_a_fault():
    assert wrong(routes=(Route(device="eth0", gateway="x"),)) == ["br1: the default route goes over eth0 instead"]
    assert wrong(routes=()) == ["br1: there is no default route"]


def test_a_gateway_that_does_not_answer_is_a_fault():
    assert wrong(answers=lambda *_: False) == ["br1: the gateway 192.168.1.1 does not answer"]


def test_the_gateway_is_not_asked_while_something_else_is_wrong():
    def refuse(*_):
        raise AssertionError

    assert wrong({"eth1": link("eth1")}, answers=refuse)
