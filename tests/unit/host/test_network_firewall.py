"""Bridged packets and the firewall: nothing is asked where the kernel does not, and what mends it opens no more."""

import pytest

from imgpipe.adapters import firewall, process
from imgpipe.errors import HostError
from imgpipe.host.doctor import bridges
from imgpipe.host.network.firewall import BridgeFirewall, warnings

OLD = "usage: see firewall-cmd man page\nfirewall-cmd: error: unrecognized arguments: --query-forward"
DOCKER = "-P INPUT ACCEPT\n-P FORWARD DROP\n-N DOCKER-USER\n-A FORWARD -j DOCKER-USER\n-A DOCKER-USER -j RETURN"
ACCEPTS = "-A DOCKER-USER -i br1 -o br1 -j ACCEPT"


@pytest.fixture
def look(tmp_path, monkeypatch):
    """A host with one bridge, `switch` and its own switch, and programs that answer by their words."""

    def at(answers, *, switch="1", own="0", bridge="br1", zone=""):
        asked = []

        def told_by(*words, limit, timeout_s):
            asked.append(words)
            if words[0] not in {one.split()[0] for one in answers}:
                raise HostError(f"The program '{words[0]}' is not installed.")
            return answers.get(" ".join(words), "")

        monkeypatch.setattr(process, "told_by", told_by)
        (tmp_path / "switch").write_text(f"{switch}\n")
        (tmp_path / "br1" / "bridge").mkdir(parents=True, exist_ok=True)
        (tmp_path / "br1" / "bridge" / "nf_call_iptables").write_text(f"{own}\n")
        return firewall.look(bridge, zone, tmp_path / "switch", tmp_path), asked

    return at


def firewalld(zone="public", *, of="br1", **answers):
    told = {"firewall-cmd --state": "running\n", "firewall-cmd --get-default-zone": "public\n"}
    told[f"firewall-cmd --get-zone-of-interface={of}"] = f"{zone}\n" if of == "br1" else "no zone\n"
    words = {"forward": f"--zone={zone} --query-forward", "target": f"--permanent --zone={zone} --get-target"}
    return told | {f"firewall-cmd {words[name]}": answer for name, answer in answers.items()}


@pytest.mark.parametrize(("switch", "own", "asks"), [("0", "0", False), ("1", "0", True), ("0", "1", True)])
def test_the_firewall_counts_only_where_the_kernel_shows_it_bridged_packets(look, switch, own, asks):
    facts, asked = look(firewalld(forward="no"), switch=switch, own=own)
    assert bool(list(warnings(facts))) is asks
    assert bool(asked) is asks


def test_a_kernel_without_the_module_shows_the_firewall_nothing(tmp_path):
    assert not firewall.look("br1", "", tmp_path / "none", tmp_path).filtered


@pytest.mark.parametrize(
    ("answers", "passes"),
    [
        ({"forward": "yes\n"}, True),
        ({"forward": "no\n", "target": "ACCEPT\n"}, True),
        ({"forward": "no\n", "target": "default\n"}, False),
        ({"forward": OLD, "target": "ACCEPT\n"}, True),
        ({"forward": OLD, "target": "default\n"}, False),
        ({"forward": "Authorization failed.\n"}, None),
    ],
)
def test_a_zone_lets_bridged_packets_pass_by_its_forwarding_or_its_target(look, answers, passes):
    facts, _ = look(firewalld(**answers))
    assert (facts.zone, facts.passes) == ("public", passes)
    assert bool(list(warnings(facts))) is (passes is not True)


def test_what_mends_a_zone_opens_no_more_than_the_bridge(look):
    facts, _ = look(firewalld("work", forward="no\n", target="default\n"))
    (warned,) = warnings(facts)
    assert warned.commands == ("firewall-cmd --permanent --zone=work --add-forward", "firewall-cmd --reload")
    assert "'br1'" in warned.text
    assert "'work'" in warned.text


def test_a_firewalld_that_knows_no_forwarding_is_mended_by_the_switch(look):
    facts, _ = look(firewalld(forward=OLD, target="default\n"))
    assert next(warnings(facts)).commands == ("sysctl -w net.bridge.bridge-nf-call-iptables=0",)

    own, _ = look(firewalld(forward=OLD, target="default\n"), switch="0", own="1")
    assert next(warnings(own)).commands == ("ip link set br1 type bridge nf_call_iptables 0",)


def test_a_bridge_that_is_not_there_yet_gets_its_profiles_zone_or_the_default_one(look):
    answers = firewalld(of="br2", forward="no\n", target="default\n")
    assert look(answers, bridge="br2")[0].zone == "public"
    answers |= {"firewall-cmd --zone=trusted --query-forward": "no\n"}
    answers |= {"firewall-cmd --permanent --zone=trusted --get-target": "ACCEPT\n"}
    facts, _ = look(answers, bridge="br2", zone="trusted")
    assert (facts.zone, facts.passes) == ("trusted", True)


def test_a_zones_name_that_is_none_is_not_handed_on(look):
    answers = firewalld() | {"firewall-cmd --get-zone-of-interface=br1": "$(reboot) x"}
    facts, asked = look(answers)
    assert facts.zone == "public"
    assert not [words for words in asked if "reboot" in " ".join(words)]


def test_docker_drops_what_no_rule_of_the_bridge_accepts(look):
    facts, _ = look({"iptables -S": DOCKER})
    (warned,) = warnings(facts)
    assert warned.commands == ("iptables -I DOCKER-USER -i br1 -o br1 -j ACCEPT",)
    assert not list(warnings(look({"iptables -S": f"{DOCKER}\n{ACCEPTS}"})[0]))
    assert not list(warnings(look({"iptables -S": "-P FORWARD ACCEPT"})[0]))
    both, _ = look(firewalld(forward="no\n", target="default\n") | {"iptables -S": DOCKER})
    assert len(list(warnings(both))) == 2


def test_doctor_tells_of_it_and_does_not_call_good_what_it_could_not_ask():
    bad = BridgeFirewall(bridge="br1", filtered=True, zone="public", passes=False)
    unknown = BridgeFirewall(bridge="br1", filtered=True, zone="public", passes=None)
    assert [one.state for one in bridges.judge_firewall(bad)] == ["warn"]
    assert [one.state for one in bridges.judge_firewall(unknown)] == ["unknown"]
    assert not list(bridges.judge_firewall(BridgeFirewall(bridge="br1", filtered=True)))
