"""A host's network is changed for real: NetworkManager, D-Bus and a DHCP server, in namespaces of their own."""

import json
import os
import signal
import subprocess
import uuid
from contextlib import ExitStack, contextmanager
from functools import partial

import pytest

from host_namespace import LONGEST_S, Host, child_of, missing, until

pytestmark = [pytest.mark.programs, pytest.mark.skipif(bool(missing()), reason=missing() or "-")]

HOST = """\
confirm_within = 120

[outside]
nic = "eth0"

[inside]
nic = "eth1"
address = "10.100.1.1/24"
"""
NETWORK = ("host", "network")
SOON = ("= 120", "= 40")
SLOW = ("= 120", "= 3600")
STATIC = ('nic = "eth0"', 'nic = "eth0"\naddress = "10.99.0.20/24"\ngateway = "10.99.0.77"')
CROSSED = (('"eth0"', '"swap"'), ('"eth1"', '"eth0"'), ('"swap"', '"eth1"'))


@contextmanager
def made_host(folder):
    made = Host(folder)
    try:
        yield made
    finally:
        made.end()


@pytest.fixture
def host(tmp_path):
    with made_host(tmp_path / "host") as made:
        yield made


def write(path, *changes, text=HOST):
    """Write host.toml, with replacements."""
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    return str(path)


@pytest.fixture
def wanted(tmp_path):
    return partial(write, tmp_path / "host.toml")


# What takes its time by nature goes on beside the other tests: the first one below begins it.


@pytest.fixture(scope="module")
def unconfirmed(tmp_path_factory):
    """A host whose change nobody confirms, with the keyfiles from before it."""
    folder = tmp_path_factory.mktemp("unconfirmed")
    with made_host(folder / "host") as made:
        old = made.profiles()
        succeed(made, "apply", write(folder / "host.toml", SOON), "--yes")
        assert is_bridged(made)
        yield made, old


@pytest.fixture(scope="module")
def wrong(tmp_path_factory):
    """Hosts that are asked for a network that does not work, with the imgpipe that tries it on each."""
    with ExitStack() as stack:
        tried = {}
        for name, changes in {"crossed": CROSSED, "static": (STATIC,)}.items():
            folder = tmp_path_factory.mktemp(name)
            made = stack.enter_context(made_host(folder / "host"))
            file = write(folder / "host.toml", SOON, *changes)
            running = made.start_imgpipe(*NETWORK, "apply", file, "--yes")
            stack.callback(running.wait)
            stack.callback(running.kill)
            tried[name] = made, running
        yield tried


@pytest.mark.usefixtures("unconfirmed", "wrong")
def test_a_host_that_was_never_touched_has_nothing_to_confirm(host):
    assert host.as_before()
    assert "No change of this host's network waits" in fail(host, "confirm")


def succeed(host, *words):
    done = host.imgpipe(*NETWORK, *words)
    assert done.returncode == 0, done.stderr
    return done


def fail(host, *words):
    done = host.imgpipe(*NETWORK, *words)
    assert done.returncode == 3, done.stdout + done.stderr
    return done.stderr


def keep(host, file):
    succeed(host, "apply", file, "--yes", "--keep")


def is_bridged(host):
    return bool(host.addresses("br1")) and host.addresses("br2") == ["10.100.1.1"] and not host.addresses("eth0")


def test_the_runbooks_network_comes_up_keeps_its_address_and_is_kept(host, wanted):
    before = host.addresses("eth0")
    succeed(host, "apply", wanted(), "--yes")
    assert host.addresses("br1") == before
    assert host.addresses("br2") == ["10.100.1.1"]
    assert host.addresses("eth0") == host.addresses("eth1") == []
    assert set(host.profiles()) == {"old-eth0.nmconnection", "old-eth1.nmconnection"}
    succeed(host, "confirm")
    assert is_bridged(host)
    assert host.staged() == ["lo.nmconnection"]
    new = [host.profiles()[f"{name}.nmconnection"] for name in ("br1", "br2", "eth0", "eth1")]
    assert len({line for text in new for line in text.splitlines() if line.startswith("uuid=")}) == 4
    assert ["zone=internal" in text.splitlines() for text in new] == [True, True, False, False]
    folder = host.folder / "etc/system-connections"
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert "autoconnect=false" in host.profiles()["old-eth0.nmconnection"]
    assert "autoconnect=false" in host.profiles()["old-eth1.nmconnection"]


def test_a_second_apply_changes_nothing(host, wanted):
    keep(host, wanted())
    before = host.profiles()
    active = host.active()
    done = succeed(host, "apply", wanted(), "--yes")
    assert "Nothing is to be changed." in done.stderr
    assert host.profiles() == before
    assert host.active() == active
    assert json.loads(succeed(host, "plan", wanted(), "--json").stdout)["changes"] is False


def stopped_in_the_middle(host, file, number):
    running = host.start_imgpipe(*NETWORK, "apply", file, "--yes")
    said = iter(running.stderr.readline, "")
    assert any(line == "up eth0\n" for line in said)
    os.kill(child_of(running), number)
    _, errors = running.communicate(timeout=LONGEST_S)
    return running.returncode, errors


def test_a_killed_imgpipe_does_not_cut_the_host_off(host, wanted):
    old = host.profiles()
    code, _ = stopped_in_the_middle(host, wanted(), signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert not host.as_before()
    host.hurry()
    until(host.as_before)
    until(lambda: host.staged() == ["lo.nmconnection"])
    assert host.profiles() == old


def test_a_lost_terminal_brings_the_old_network_back_at_once(host, wanted):
    code, errors = stopped_in_the_middle(host, wanted(SLOW), signal.SIGHUP)
    assert code == 130
    assert "rolling back" in errors
    until(host.as_before)


def test_a_terminal_that_is_lost_twice_does_not_stop_the_way_back(host, wanted):
    """The kernel tells the program, and so does the shell that is told as well."""
    running = host.start_imgpipe(*NETWORK, "apply", wanted(SLOW), "--yes")
    said = iter(running.stderr.readline, "")
    for line in ("up eth0\n", "rolling back\n"):
        assert line in said
        os.kill(child_of(running), signal.SIGHUP)
    running.communicate(timeout=LONGEST_S)
    assert running.returncode == 130
    until(host.as_before)
    assert host.staged() == ["lo.nmconnection"]
    assert "No change of this host's network waits" in fail(host, "confirm")


def test_a_rollback_before_the_confirmation_is_networkmanagers_own(host, wanted):
    succeed(host, "apply", wanted(SLOW), "--yes")
    assert "was not confirmed yet" in fail(host, "apply", wanted(), "--yes")
    succeed(host, "rollback")
    until(host.as_before)
    assert "There is no change of this host's network to undo" in fail(host, "rollback")


def test_a_rollback_after_the_confirmation_brings_the_old_profiles_back(host, wanted):
    keep(host, wanted())
    succeed(host, "rollback")
    until(host.as_before)
    assert set(host.profiles()) == {"old-eth0.nmconnection", "old-eth1.nmconnection"}
    assert "autoconnect=false" not in "".join(host.profiles().values())


def test_a_changed_address_touches_only_its_own_bridge_and_can_be_undone(host, wanted):
    keep(host, wanted())
    changed = wanted(("10.100.1.1/24", "10.100.1.2/24"))
    plan = json.loads(succeed(host, "plan", changed, "--json").stdout)
    assert [item["name"] for item in plan["profiles"] if item["activate"]] == ["br2", "eth1"]
    assert [item["name"] for item in plan["profiles"] if item["new"]] == ["br2"]
    keep(host, changed)
    assert host.addresses("br2") == ["10.100.1.2"]
    succeed(host, "rollback")
    until(lambda: is_bridged(host))
    succeed(host, "check")
    succeed(host, "rollback")
    until(host.as_before)


def test_a_boot_after_the_confirmation_brings_the_bridges_up(host, wanted):
    keep(host, wanted())
    host.boot()
    until(lambda: is_bridged(host))
    succeed(host, "check")


def test_a_boot_before_the_confirmation_brings_the_old_network_back(host, wanted):
    succeed(host, "apply", wanted(SLOW), "--yes")
    host.boot()
    until(host.as_before)


def test_a_restarted_networkmanager_does_not_lose_the_way_back(host, wanted):
    succeed(host, "apply", wanted(SLOW), "--yes")
    host.restart_network_manager()
    assert "No change of this host's network waits" in fail(host, "confirm")
    succeed(host, "rollback")
    until(host.as_before)


def test_the_check_names_what_is_wrong_in_words_and_for_programs(host, wanted):
    keep(host, wanted())
    assert json.loads(succeed(host, "check", "--json").stdout)["ok"] is True
    host.peer.run("ip", "link", "set", "gw-eth1", "down")
    host.namespace.run("ip", "address", "add", "10.99.0.200/24", "dev", "eth0")
    until(lambda: "disabled" in host.namespace.run("bridge", "link", "show", "dev", "eth1"))
    done = host.imgpipe(*NETWORK, "check", wanted())
    assert done.returncode == 3
    assert "FAULT  eth0  still holds 10.99.0.200/24, which belongs on br1" in done.stdout
    assert "FAULT  eth1  is a port of br2 in state 'disabled'" in done.stdout
    told = json.loads(host.imgpipe(*NETWORK, "check", "--json").stdout)
    assert {item["device"] for item in told["findings"] if not item["ok"]} == {"eth0", "eth1"}


BOND_AND_VLAN = """\
[bonds.bond0]
nics = ["eth0"]
mode = "active-backup"

[outside]
nic = "bond0"

[inside]
nic = "eth1"
vlan = 20
address = "10.20.0.1/24"
"""


def kernel_has(kind, *options):
    """Say whether the kernel makes such devices, tried in a new namespace."""
    made = ["ip", "link", "add", *options, "type", kind, *(("id", "20") if kind == "vlan" else ())]
    return (
        subprocess.run(["unshare", "--net", *made], capture_output=True, timeout=LONGEST_S, check=False).returncode == 0
    )


def test_a_bond_and_a_vlan_come_up_below_their_bridges(host, wanted):
    if not (kernel_has("bond", "name", "bond9") and kernel_has("vlan", "link", "lo", "name", "lo.20")):
        pytest.skip("this kernel has no bonds or no VLANs")
    before = host.addresses("eth0")
    keep(host, wanted(text=BOND_AND_VLAN))
    assert host.addresses("br1") == before
    assert "master br1" in host.namespace.run("ip", "link", "show", "bond0")
    assert "master bond0" in host.namespace.run("ip", "link", "show", "eth0")
    assert "master br2" in host.namespace.run("ip", "link", "show", "eth1.20")
    done = succeed(host, "apply", wanted(text=BOND_AND_VLAN), "--yes")
    assert "Nothing is to be changed." in done.stderr


def test_networkmanager_understands_bonds_and_vlans_as_they_are_meant(host, wanted):
    plan = json.loads(succeed(host, "plan", wanted(text=BOND_AND_VLAN), "--json").stdout)
    for item in plan["profiles"]:
        path = host.folder / "etc/system-connections" / f"{item['name']}.nmconnection"
        path.write_text(item["keyfile"].replace("(a fresh one)", str(uuid.uuid4())))
        path.chmod(0o600)
    host.namespace.run("nmcli", "connection", "reload")

    def says(name, field):
        return host.namespace.run("nmcli", "--get-values", field, "connection", "show", name).strip()

    assert says("bond0", "connection.type,connection.master,connection.slave-type") == "bond\nbr1\nbridge"
    assert says("bond0", "bond.options") == "mode=active-backup,miimon=100"
    assert says("eth0", "connection.master,connection.slave-type") == "bond0\nbond"
    assert says("eth1", "connection.master,ipv4.method") == "\ndisabled".strip()
    assert says("eth1.20", "connection.type,connection.master,vlan.parent,vlan.id") == "vlan\nbr2\neth1\n20"


def test_a_nic_that_is_not_there_is_named_with_those_that_are(host, wanted):
    said = fail(host, "plan", wanted(('"eth0"', '"ens3"')))
    assert "ens3: there is no such NIC; the host has eth0, eth1" in said


def test_a_nic_that_networkmanager_leaves_alone_is_refused(host, wanted):
    subprocess.run(
        [*host.namespace.enter, "nmcli", "device", "set", "eth1", "managed", "no"], check=True, timeout=LONGEST_S
    )
    assert "eth1: NetworkManager does not manage it" in fail(host, "plan", wanted())


def add_tap(host, name, bridge):
    """Plug a machine's tap device into a bridge, as libvirt does."""
    host.namespace.run("ip", "tuntap", "add", name, "mode", "tap")
    host.namespace.run("ip", "link", "set", name, "master", bridge, "up")


def controller(host, name):
    (told,) = json.loads(host.namespace.run("ip", "-json", "link", "show", "dev", name))
    return told.get("master")


def test_the_bridges_of_libvirt_and_their_machines_are_left_alone(host, wanted):
    host.namespace.run("ip", "link", "add", "virbr0", "type", "bridge")
    host.namespace.run("ip", "address", "add", "192.168.122.1/24", "dev", "virbr0")
    host.namespace.run("ip", "link", "set", "virbr0", "up")
    add_tap(host, "vnet0", "virbr0")
    succeed(host, "apply", wanted(SLOW), "--yes")
    add_tap(host, "vnet1", "virbr0")
    succeed(host, "rollback")
    until(lambda: host.addresses("eth1") == ["10.100.1.9"])
    assert (controller(host, "vnet0"), controller(host, "vnet1")) == ("virbr0", "virbr0")
    assert host.addresses("virbr0") == ["192.168.122.1"]


def test_running_machines_stay_on_a_bridge_whose_address_changes(host, wanted):
    keep(host, wanted())
    add_tap(host, "vnet0", "br2")
    succeed(host, "apply", wanted(("10.100.1.1/24", "10.100.1.2/24")), "--yes")
    assert controller(host, "vnet0") == "br2"
    host.hurry()
    until(lambda: host.addresses("br2") == ["10.100.1.1"])
    assert controller(host, "vnet0") == "br2", "NetworkManager's own way back"
    keep(host, wanted(("10.100.1.1/24", "10.100.1.2/24")))
    assert host.addresses("br2") == ["10.100.1.2"]
    assert controller(host, "vnet0") == "br2"
    succeed(host, "rollback")
    until(lambda: host.addresses("br2") == ["10.100.1.1"])
    assert controller(host, "vnet0") == "br2"


RUNBOOK = {
    "br1": "type=bridge\ninterface-name=br1\n[bridge]\nstp=false\n[ipv4]\nmethod=auto\n[ipv6]\nmethod=ignore\n",
    "br2": "type=bridge\ninterface-name=br2\n[bridge]\nstp=false\n[ipv4]\nmethod=manual\naddress1=10.100.1.1/24\n"
    "[ipv6]\nmethod=ignore\n",
    "eth0": "type=ethernet\ninterface-name=eth0\nmaster=br1\nslave-type=bridge\n",
    "eth1": "type=ethernet\ninterface-name=eth1\nmaster=br2\nslave-type=bridge\n",
}


def test_bridges_made_by_hand_from_the_runbook_are_taken_over_and_come_back(host, wanted):
    for name, text in RUNBOOK.items():
        path = host.folder / "etc/system-connections" / f"{name}.nmconnection"
        path.write_text(f"[connection]\nid={name}\nuuid={uuid.uuid4()}\n{text}")
        path.chmod(0o600)
    host.namespace.run("nmcli", "connection", "reload")
    for name in RUNBOOK:
        # A bridge by DHCP is up only with its port; the runbook looks for a few seconds instead.
        host.namespace.run("nmcli", "--wait", "0" if name == "br1" else str(LONGEST_S), "connection", "up", name)
    until(lambda: is_bridged(host))
    by_hand = host.profiles()
    add_tap(host, "vnet0", "br1")
    keep(host, wanted())
    assert is_bridged(host)
    assert controller(host, "vnet0") == "br1"
    assert "autoconnect-priority=100" in host.profiles()["br1.nmconnection"]
    succeed(host, "rollback")
    until(lambda: is_bridged(host))
    assert {line for line in host.profiles()["br1.nmconnection"].splitlines() if "uuid=" in line} == {
        line for line in by_hand["br1.nmconnection"].splitlines() if "uuid=" in line
    }
    assert controller(host, "vnet0") == "br1"


# What was begun by the first test.


def test_what_nobody_confirms_undoes_itself(unconfirmed, wanted):
    host, old = unconfirmed
    until(host.as_before)
    until(lambda: host.staged() == ["lo.nmconnection"])
    assert host.profiles() == old
    assert "No change of this host's network waits" in fail(host, "confirm")
    # The way is free for another try.
    succeed(host, "apply", wanted(), "--yes")
    succeed(host, "confirm")
    assert is_bridged(host)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("crossed", "br1: holds no address: no DHCP server has answered"),
        ("static", "the gateway 10.99.0.77 does not answer"),
    ],
)
def test_a_network_that_does_not_work_is_found_and_rolled_back(wrong, name, fault):
    host, running = wrong[name]
    _, said = running.communicate(timeout=LONGEST_S)
    assert running.returncode == 3, said
    assert fault in said
    until(host.as_before)
    assert "No change" in fail(host, "confirm")
