import dataclasses
import itertools

import pytest

from imgpipe.errors import HostError
from imgpipe.host.network.facts import Device, HostFacts, Link, StoredProfile
from imgpipe.host.network.keyfiles import keyfile, profiles, uuid_of
from imgpipe.host.network.planning import make_plan
from imgpipe.host.network.wanted import checked

RUNBOOK = {"outside": {"nic": "eth0"}, "inside": {"nic": "eth1", "address": "10.100.1.1/24"}}
MACS = {f"eth{number}": f"52:54:00:00:00:0{number}" for number in range(4)}
NICS = tuple(Link(name=name, mac=mac) for name, mac in MACS.items())
OLD = StoredProfile(uuid="old", name="Wired connection 1", file="/etc/x.nmconnection")
FRESH = HostFacts(
    links=NICS,
    devices=tuple(Device(name=name, managed=True, profile="old" if name == "eth0" else "") for name in MACS),
    stored=(OLD,),
)


def network(**table):
    return checked(table or RUNBOOK, "x")


def uuids():
    numbers = itertools.count(1)
    return lambda: f"00000000-0000-4000-8000-{next(numbers):012}"


def applied(plan, **more):
    """The host after the plan was applied and confirmed."""
    return HostFacts(
        links=NICS,
        devices=tuple(
            Device(name=item.profile.name, managed=True, profile=item.uuid, activated=True) for item in plan.profiles
        ),
        stored=tuple(
            StoredProfile(uuid=item.uuid, name=item.profile.name, interface=item.profile.name) for item in plan.profiles
        ),
        keyfiles=tuple((item.profile.file_name, item.text) for item in plan.profiles),
        **more,
    )


def test_a_bridge_takes_over_the_firewalls_zone_of_what_it_replaces_and_keeps_it():
    zoned = dataclasses.replace(FRESH, stored=(dataclasses.replace(OLD, zone="internal"),))
    plan = make_plan(network(), zoned, uuids())
    br1, br2, eth0, eth1 = (item.text for item in plan.profiles)
    assert "\ninterface-name=br1\nautoconnect-priority=100\nzone=internal\n" in br1
    assert not [text for text in (br2, eth0, eth1) if "zone=" in text]
    after = applied(plan)
    stored = [dataclasses.replace(one, zone="internal" if one.name == "br1" else "") for one in after.stored]
    again = make_plan(network(), dataclasses.replace(after, stored=tuple(stored)), uuids())
    assert not again.changes


def test_ipv6_and_mtu_of_what_is_taken_over_are_named_and_never_dropped_in_silence():
    links = (
        dataclasses.replace(NICS[0], addresses6=("2001:db8::5/64",), mtu=9000),
        dataclasses.replace(NICS[1], mtu=1500),
        dataclasses.replace(NICS[2], addresses6=("2001:db8:1::5/64",), mtu=9000),
    )
    plan = make_plan(network(), dataclasses.replace(FRESH, links=links), uuids())
    address, mtu = plan.lost
    assert address.startswith("'eth0' has 2001:db8::5/64, and no IPv6 address is carried over")
    assert mtu == "'eth0' has an MTU of 9000, which is not carried over: set it on NIC and bridge anew."


def test_the_bridge_that_a_nic_is_a_port_of_is_looked_at_too_and_a_host_that_stays_is_left_in_peace():
    old = Link(name="br9", mac="52:54:00:00:00:99", kind="bridge", addresses6=("2001:db8::9/64",))
    links = (dataclasses.replace(NICS[0], controller="br9"), *NICS[1:], old)
    devices = (*FRESH.devices, Device(name="br9", managed=True))
    plan = make_plan(network(), dataclasses.replace(FRESH, links=links, devices=devices), uuids())
    assert [sentence.split()[0] for sentence in plan.lost] == ["'br9'"]
    again = applied(make_plan(network(), FRESH, uuids()))
    settled = dataclasses.replace(again, links=(dataclasses.replace(NICS[0], mtu=9000), *NICS[1:]))
    assert make_plan(network(), settled, uuids()).lost == ()


def test_a_zone_that_cannot_stand_in_a_keyfile_is_refused():
    zoned = dataclasses.replace(FRESH, stored=(dataclasses.replace(OLD, zone="x\nmaster=evil"),))
    with pytest.raises(HostError) as raised:
        make_plan(network(), zoned, uuids())
    assert "eth0: the firewall's zone of its profile" in raised.value.details[0]


# docs/decisions/keyfiles-that-every-networkmanager-reads.md: what NetworkManager 1.20 reads, and all later ones do.
READ_BY_ALL = {
    "connection": "id uuid type interface-name autoconnect autoconnect-priority zone master slave-type",
    "bridge": "stp",
    "ethernet": "cloned-mac-address",
    "bond": "mode miimon",
    "vlan": "id parent",
    "ipv4": "method address1 dns",
    "ipv6": "method",
}


@pytest.mark.parametrize("autoconnect", [True, False])
def test_every_keyfile_has_keys_alone_that_every_networkmanager_reads(autoconnect):
    wanted = network(
        outside={"nic": "bond0", "address": "192.168.1.10/24", "gateway": "192.168.1.1", "dns": ["192.168.1.1"]},
        inside={"nic": "eth1", "vlan": 20},
        bonds={"bond0": {"nics": ["eth0", "eth2"], "mode": "active-backup"}},
    )
    told: dict[str, set[str]] = {}
    for profile in profiles(wanted, MACS, {"br1": "work"}):
        section = ""
        for line in keyfile(profile, "u", autoconnect=autoconnect).splitlines():
            section = line.strip("[]") if line.startswith("[") else section
            if "=" in line:
                told.setdefault(section, set()).add(line.partition("=")[0])
    missing = {"autoconnect"} if autoconnect else {"autoconnect-priority"}
    assert told == {name: set(keys.split()) - missing for name, keys in READ_BY_ALL.items()}


def test_the_runbooks_four_keyfiles_are_written_masters_first():
    plan = make_plan(network(), FRESH, uuids())
    assert [item.profile.name for item in plan.profiles] == ["br1", "br2", "eth0", "eth1"]
    br1, br2, eth0, _ = (item.text for item in plan.profiles)
    assert br1 == (
        "[connection]\nid=br1\nuuid=00000000-0000-4000-8000-000000000001\ntype=bridge\ninterface-name=br1\n"
        "autoconnect-priority=100\n\n[bridge]\nstp=false\n\n[ethernet]\ncloned-mac-address=52:54:00:00:00:00\n\n"
        "[ipv4]\nmethod=auto\n\n[ipv6]\nmethod=ignore\n"
    )
    assert "[ipv4]\nmethod=manual\naddress1=10.100.1.1/24\n" in br2
    assert "type=ethernet\ninterface-name=eth0\nautoconnect-priority=100\nmaster=br1\nslave-type=bridge\n" in eth0
    assert "[ipv4]\nmethod=disabled\n\n[ipv6]\nmethod=ignore\n" in eth0
    assert len({item.uuid for item in plan.profiles}) == 4
    assert plan.profiles[0].path == "/etc/NetworkManager/system-connections/br1.nmconnection"


def test_a_profile_that_is_not_confirmed_does_not_come_up_by_itself():
    text = keyfile(profiles(network(), MACS, {})[0], "u", autoconnect=False)
    assert "autoconnect=false\n" in text
    assert "autoconnect-priority" not in text


def test_a_static_address_has_its_gateway_and_name_servers():
    outside = {"nic": "eth0", "address": "10.0.0.5/24", "gateway": "10.0.0.1", "dns": ["10.0.0.2", "10.0.0.3"]}
    text = keyfile(profiles(network(outside=outside), MACS, {})[0], "u")
    assert "method=manual\naddress1=10.0.0.5/24,10.0.0.1\ndns=10.0.0.2;10.0.0.3;\n" in text


def test_bonds_and_vlans_come_up_in_their_order():
    wanted = network(
        outside={"nic": "bond0"},
        inside={"nic": "eth2", "vlan": 20},
        bonds={"bond0": {"nics": ["eth0", "eth1"], "mode": "802.3ad"}},
    )
    found = {item.name: item for item in profiles(wanted, MACS, {})}
    assert list(found) == ["br1", "br2", "bond0", "eth0", "eth1", "eth2", "eth2.20"]
    assert "master=br1\nslave-type=bridge\n\n[bond]\nmode=802.3ad\nmiimon=100\n" in keyfile(found["bond0"], "u")
    assert "master=bond0\nslave-type=bond\n" in keyfile(found["eth1"], "u")
    assert "master" not in keyfile(found["eth2"], "u")
    assert "[vlan]\nid=20\nparent=eth2\n" in keyfile(found["eth2.20"], "u")
    assert found["eth2.20"].stands_on == ("br2", "eth2")


def test_the_old_profiles_of_our_devices_are_set_aside_and_no_others():
    stored = (
        OLD,
        StoredProfile(uuid="by-name", name="lan", interface="eth1"),
        StoredProfile(uuid="by-mac", name="mac", mac="52:54:00:00:00:01"),
        StoredProfile(uuid="off", name="off", interface="eth1", autoconnect=False),
        StoredProfile(uuid="other", name="other", interface="eth3"),
        StoredProfile(uuid="any", name="any"),
    )
    plan = make_plan(network(), HostFacts(links=NICS, devices=FRESH.devices, stored=stored), uuids())
    assert [item.uuid for item in plan.replaced] == ["old", "by-name", "by-mac"]


def test_a_second_apply_changes_nothing():
    first = make_plan(network(), FRESH, uuids())
    again = make_plan(network(), applied(first), uuids())
    assert not again.changes
    assert [item.uuid for item in again.profiles] == [item.uuid for item in first.profiles]


def test_only_what_differs_and_what_stands_on_it_is_activated():
    first = make_plan(network(), FRESH, uuids())
    inside = {"nic": "eth1", "address": "10.100.1.2/24"}
    again = make_plan(network(outside={"nic": "eth0"}, inside=inside), applied(first), lambda: "new")
    assert [(item.profile.name, item.is_new) for item in again.profiles if item.activate] == [
        ("br2", True),
        ("eth1", False),
    ]


def test_a_profile_that_is_there_but_not_active_is_activated_only():
    first = make_plan(network(), FRESH, uuids())
    facts = applied(first)
    down = HostFacts(links=NICS, devices=facts.devices[:3], stored=facts.stored, keyfiles=facts.keyfiles)
    with pytest.raises(HostError):
        make_plan(network(), down, uuids())
    idle = (*facts.devices[:3], Device(name="eth1", managed=True))
    again = make_plan(
        network(), HostFacts(links=NICS, devices=idle, stored=facts.stored, keyfiles=facts.keyfiles), uuids()
    )
    assert [(item.profile.name, item.is_new) for item in again.profiles if item.activate] == [("eth1", False)]


def test_a_file_that_networkmanager_has_not_read_is_written_anew():
    first = make_plan(network(), FRESH, uuids())
    facts = HostFacts(links=NICS, devices=FRESH.devices, keyfiles=applied(first).keyfiles)
    assert all(item.is_new for item in make_plan(network(), facts, uuids()).profiles)


def test_everything_that_stands_in_the_way_is_told_at_once():
    links = (
        Link(name="eth0", mac="a", kind="openvswitch"),
        Link(name="br1", mac="b", kind="vlan"),
        Link(name="eth1", mac="c", controller="virbr9"),
    )
    devices = (Device(name="eth1", managed=True),)
    wanted = network(
        outside={"nic": "bond0"},
        inside={"nic": "eth1"},
        bonds={"bond0": {"nics": ["eth0", "eth9"], "mode": "active-backup"}},
    )
    with pytest.raises(HostError) as caught:
        make_plan(wanted, HostFacts(links=links, devices=devices), uuids())
    said = "\n".join(caught.value.details)
    assert "eth0: is no Ethernet NIC (openvswitch)" in said
    assert "eth9: there is no such NIC; the host has eth1" in said
    assert "eth1: is part of 'virbr9'" in said
    assert "br1: is a device already, and no bridge" in said


def test_a_nic_that_networkmanager_leaves_alone_is_refused():
    facts = HostFacts(links=NICS, devices=(Device(name="eth0", managed=False),))
    with pytest.raises(HostError) as caught:
        make_plan(network(outside={"nic": "eth0"}), facts, uuids())
    assert "nmcli device set eth0 managed yes" in caught.value.details[0]


def test_the_uuid_of_a_keyfile_is_found():
    assert uuid_of("[connection]\nuuid=00000000-0000-4000-8000-000000000001\n") == (
        "00000000-0000-4000-8000-000000000001"
    )
    assert uuid_of("nothing") is None
