"""The commands of `imgpipe host`, with a host that is made up."""

import dataclasses
import json
from types import SimpleNamespace

import pytest
import yaml
from typer.testing import CliRunner

from imgpipe.adapters import firewall, installed, links, network_manager, pools, process
from imgpipe.adapters import host_network as adapter
from imgpipe.cli import context, doctor, host, host_network, host_setup
from imgpipe.errors import HostError, RecipeError
from imgpipe.host import distribution
from imgpipe.host.network import other_tools, records
from imgpipe.host.network.facts import Device, HostFacts, Link, Route, StoredProfile
from imgpipe.host.network.firewall import BridgeFirewall
from imgpipe.host.network.wanted import checked

FACTS = HostFacts(
    links=(Link(name="eth0", mac="52:54:00:00:00:01"), Link(name="eth1", mac="52:54:00:00:00:02")),
    devices=(Device(name="eth0", managed=True, profile="old"), Device(name="eth1", managed=True)),
    stored=(StoredProfile(uuid="old", name="Wired connection 1"),),
    routes=(Route(device="eth0", gateway="10.0.0.1"),),
)
ROUTED = {"device": "br1", "ok": False, "text": "the default route goes over eth0 instead"}
NICS = ("--outside", "eth0", "--inside", "eth1", "--inside-address", "10.100.1.1/24")


class Silent:
    """A NetworkManager that is only connected to."""

    def close(self):
        """Nothing to end."""


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("IMGPIPE_HOME", str(tmp_path))
    monkeypatch.setattr(host_network.os, "geteuid", lambda: 0)
    monkeypatch.setattr(adapter, "look", lambda *_: FACTS)
    monkeypatch.setattr(network_manager, "NetworkManager", Silent)
    monkeypatch.setattr(other_tools, "tool_of", lambda *_: None)
    monkeypatch.setattr(links, "answers", lambda *_: True)
    monkeypatch.setattr(firewall, "look", lambda bridge, zone="": BridgeFirewall(bridge=bridge))

    def invoke(*words):
        # An expected error goes through to main(), which shows it: so here it is raised.
        return CliRunner().invoke(host.app, list(words), catch_exceptions=False)

    return invoke


def test_the_plan_shows_the_keyfiles_then_the_order_then_what_makes_room(run):
    lines = run("network", "plan", *NICS).stdout.splitlines()
    assert lines[0] == "# /etc/NetworkManager/system-connections/br1.nmconnection (0600)"
    assert "address1=10.100.1.1/24" in lines
    assert lines[-5:] == [
        "1. up  br1",
        "2. up  br2",
        "3. up  eth0 into br1",
        "4. up  eth1 into br2",
        "set aside at the confirmation: 'Wired connection 1' (without a file)",
    ]


def test_the_plan_warns_of_a_firewall_that_rejects_bridged_packets(run, monkeypatch):
    looked = []

    def look(bridge, zone=""):
        looked.append((bridge, zone))
        return BridgeFirewall(bridge=bridge, filtered=True, zone=zone or "public", passes=bridge == "br2")

    zoned = dataclasses.replace(FACTS, stored=(StoredProfile(uuid="old", name="x", zone="work"),))
    monkeypatch.setattr(adapter, "look", lambda *_: zoned)
    monkeypatch.setattr(firewall, "look", look)
    done = run("network", "plan", *NICS)
    assert looked == [("br1", "work"), ("br2", "")]
    assert "warning: firewalld rejects packets that the bridge 'br1'" in done.stderr
    assert "firewall-cmd --permanent --zone=work --add-forward; firewall-cmd --reload" in done.stderr
    assert "'br2'" not in done.stderr


def test_the_plan_warns_of_what_is_not_carried_over_and_programs_are_told(run, monkeypatch):
    links = (dataclasses.replace(FACTS.links[0], addresses6=("2001:db8::5/64",)), *FACTS.links[1:])
    monkeypatch.setattr(adapter, "look", lambda *_: dataclasses.replace(FACTS, links=links))
    done = run("network", "plan", *NICS)
    assert "warning: 'eth0' has 2001:db8::5/64, and no IPv6 address is carried over" in done.stderr
    (lost,) = json.loads(run("network", "plan", *NICS, "--json").stdout)["not_carried_over"]
    assert "2001:db8::5/64" in lost


def test_the_plan_for_programs_says_the_same(run):
    told = json.loads(run("network", "plan", *NICS, "--json").stdout)
    assert told["changes"] is True
    assert [item["name"] for item in told["profiles"]] == ["br1", "br2", "eth0", "eth1"]
    assert told["set_aside"] == [{"name": "Wired connection 1", "uuid": "old", "file": ""}]


def test_the_file_and_the_options_say_the_same(run, tmp_path):
    path = tmp_path / "host.toml"
    path.write_text('[outside]\nnic = "eth0"\n[inside]\nnic = "eth1"\naddress = "10.100.1.1/24"\n')
    assert run("network", "plan", str(path)).stdout == run("network", "plan", *NICS).stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "Which NICs"),
        (("host.toml", "--outside", "eth0"), "not both"),
        (("--outside", "eth0", "--inside-address", "10.0.0.1/24"), "needs '--inside'"),
        (("--inside", "eth1"), "The command line is not valid"),
    ],
)
def test_options_that_do_not_go_together_are_refused(run, words, said):
    with pytest.raises(RecipeError, match=said):
        run("network", "plan", *words)


@pytest.mark.parametrize("command", ["plan", "apply", "confirm", "rollback"])
def test_others_than_root_are_told_to_become_it(run, monkeypatch, command):
    monkeypatch.setattr(host_network.os, "geteuid", lambda: 1000)
    with pytest.raises(HostError, match="Only root"):
        run("network", command)


def test_a_change_is_not_made_unasked(run):
    with pytest.raises(RecipeError, match="Nobody can be asked"):
        run("network", "apply", *NICS)


@pytest.mark.parametrize("words", [("plan",), ("plan", "--json"), ("apply", "--yes")], ids=" ".join)
@pytest.mark.parametrize(
    ("tool", "path"),
    [
        ("netplan", "/etc/netplan/60-imgpipe.yaml"),
        ("ifupdown", "/etc/network"),
        ("systemd-networkd", "/etc/systemd/network"),
    ],
)
def test_a_host_of_another_tool_gets_the_file_to_write(run, monkeypatch, tool, path, words):
    monkeypatch.setattr(other_tools, "tool_of", lambda *_: tool)
    with pytest.raises(HostError, match=f"in the hands of {tool}") as caught:
        run("network", *words, *NICS)
    assert path in str(caught.value)
    text = "\n".join(caught.value.details)
    assert "52:54:00:00:00:01" in text
    if tool == "netplan":
        assert set(yaml.safe_load(text)["network"]["bridges"]) == {"br1", "br2"}


def test_a_host_of_another_tool_gets_no_file_for_a_nic_that_it_lacks(run, monkeypatch):
    monkeypatch.setattr(other_tools, "tool_of", lambda *_: "netplan")
    with pytest.raises(HostError, match="cannot have that network") as caught:
        run("network", "plan", "--outside", "ens9")
    assert caught.value.details == ("ens9: there is no such NIC; the host has eth0, eth1",)


def test_the_check_for_programs_has_the_shape_that_the_manual_says(run, tmp_path):
    path = tmp_path / "host.toml"
    path.write_text('[outside]\nnic = "eth0"\n')
    shown = CliRunner().invoke(host.app, ["network", "check", str(path), "--json"])
    assert isinstance(shown.exception, HostError)
    told = json.loads(shown.stdout)
    assert told == {
        "ok": False,
        "findings": [{"device": "br1", "ok": False, "text": "there is no such bridge"}, ROUTED],
    }


def test_the_check_needs_no_root_and_fails_with_a_fault(run, monkeypatch, tmp_path):
    monkeypatch.setattr(host_network.os, "geteuid", lambda: 1000)
    path = tmp_path / "host.toml"
    path.write_text('[outside]\nnic = "eth0"\n')
    with pytest.raises(HostError, match="not what was wanted"):
        run("network", "check", str(path))
    with pytest.raises(RecipeError, match="No network was applied"):
        run("network", "check")


def test_the_schema_is_printed(run):
    assert json.loads(run("network", "schema").stdout)["required"] == ["outside"]


@pytest.fixture
def ran(monkeypatch):
    """What set-up runs and makes, noted instead."""
    found = []
    monkeypatch.setattr(process, "follow", lambda *argv, **_: found.append(argv))
    monkeypatch.setattr(installed, "missing_packages", lambda _family, names: tuple(names)[:1])
    monkeypatch.setattr(installed, "daemons", lambda: installed.Daemons("virtqemud", ("virtlogd",)))
    monkeypatch.setattr(installed, "idle_sockets", lambda: ("virtqemud.socket",))
    monkeypatch.setattr(context, "hypervisor", lambda _notify, planned=False: Silent())
    monkeypatch.setattr(pools, "is_open", lambda *_: False)
    monkeypatch.setattr(
        pools, "open_pool", lambda _hypervisor, name, folder, _notify: found.append((name, folder.name))
    )
    monkeypatch.setattr(doctor, "doctor", lambda **options: found.append(options))
    return found


def test_set_up_installs_makes_the_pool_and_asks_doctor(run, ran, monkeypatch):
    monkeypatch.setenv("SUDO_USER", "jane")
    said = run("setup", "--yes").stderr
    assert [words[-2:] for words in ran[:1]] == [(distribution.SCRIPT, "--yes")]
    assert ran[1][-4:] == (distribution.SCRIPT, "--start", "virtqemud.socket", "virtlogd.socket")
    assert ran[2:] == [(None, "machines"), {"fix": True, "yes": True}]
    assert "to let in: 'jane', who joins 'libvirt' and 'kvm'" in said


@pytest.fixture
def mended(ran, monkeypatch):
    """A host that has everything, and a user of both groups."""
    monkeypatch.setenv("SUDO_USER", "jane")
    monkeypatch.setattr(installed, "missing_packages", lambda *_: ())
    monkeypatch.setattr(installed, "idle_sockets", lambda: ())
    monkeypatch.setattr(pools, "is_open", lambda *_: True)
    groups = {name: SimpleNamespace(gr_mem=["jane"], gr_gid=1) for name in ("libvirt", "kvm")}
    monkeypatch.setattr(host_setup.grp, "getgrnam", lambda name: groups[name])
    monkeypatch.setattr(host_setup.pwd, "getpwnam", lambda _: SimpleNamespace(pw_gid=1000))
    return groups


def test_a_host_that_has_everything_is_told_of_nothing_to_do_and_asked_nothing(run, ran, mended):
    said = run("setup").stderr
    assert "are as they should be already" in said
    assert "to " not in said.replace("storage", "")
    assert ran == [{"fix": False, "yes": False}]


@pytest.mark.parametrize(
    ("lacks", "said"),
    [
        ("pool", "to make and start: the storage pool of machines' disks"),
        ("socket", "to start: virtlogd.socket, now and at each boot"),
        ("group", "to let in: 'jane', who joins 'kvm'"),
    ],
)
def test_only_what_is_lacking_is_told(run, ran, mended, monkeypatch, lacks, said):
    monkeypatch.setattr(pools, "is_open", lambda *_: lacks != "pool")
    monkeypatch.setattr(installed, "idle_sockets", lambda: ("virtlogd.socket",) if lacks == "socket" else ())
    if lacks == "group":
        mended["kvm"].gr_mem.clear()
    told = [line for line in run("setup", "--yes").stderr.splitlines() if line.startswith("to ")]
    assert [line.startswith(said) for line in told] == [True]
    assert ran[-1] == {"fix": True, "yes": True}


def test_set_up_is_not_done_unasked(run, ran):
    with pytest.raises(RecipeError, match="Nobody can be asked"):
        run("setup")
    assert ran == []


def test_the_help_of_set_up_has_examples(run):
    said = run("setup", "--help").stdout
    assert "imgpipe host setup --yes" in said


def test_a_pool_that_cannot_be_made_does_not_end_the_set_up(run, ran, monkeypatch):
    def refuse(*_):
        raise HostError("libvirt refuses you.", hint="Log in anew.")

    monkeypatch.setattr(pools, "open_pool", refuse)
    assert "the pool was not made: libvirt refuses you. Log in anew." in run("setup", "--yes").stderr
    assert ran[-1] == {"fix": True, "yes": True}


def test_pins_are_refused_where_they_make_no_sense(run):
    with pytest.raises(RecipeError, match="needs '--pin'"):
        run("nic-names", "plan", "--udev")
    with pytest.raises(RecipeError, match="pinned twice"):
        run("nic-names", "plan", "--pin", "eth0=52:54:00:00:00:01", "--pin", "eth0=52:54:00:00:00:02")


def test_without_a_file_the_network_that_was_applied_last_is_meant(run, monkeypatch):
    with pytest.raises(RecipeError, match="Which NICs shall be bridged") as caught:
        run("network", "plan")
    assert "'ip link' shows them" in caught.value.hint
    network = checked({"outside": {"nic": "eth1"}}, "x")
    monkeypatch.setattr(records, "newest_network", lambda _: network)
    assert "3. up" not in run("network", "plan").stdout
    assert run("network", "plan").stdout == run("network", "plan", "--outside", "eth1").stdout
