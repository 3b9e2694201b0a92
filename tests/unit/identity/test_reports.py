import json

import pytest

from imgpipe.errors import GuestError
from imgpipe.identity.compare import duplicates, faults
from imgpipe.identity.digest import identity_digest
from imgpipe.identity.report import LONGEST_LINE, last_report, parse_report
from sample_identity import DYNAMIC, PUBLIC, STATIC


def line(**changes):
    told = {
        "version": 1,
        "hostname": PUBLIC.hostname,
        "machine_id": "0123456789abcdef0123456789abcdef",
        "identity": identity_digest(PUBLIC),
        "host_keys": ["SHA256:" + "a" * 43],
        "nics": [
            {"name": "eth0", "mac": STATIC.mac, "addresses": ["10.100.1.10/24", "fec0::5054:ff/64"]},
            {"name": "eth1", "mac": DYNAMIC.mac, "addresses": ["10.0.2.15/24"]},
        ],
        "gateways": ["10.100.1.1"],
        "state": "running",
        "failed": [],
        "problems": [],
    }
    return json.dumps(told | changes).encode()


def report(**changes):
    return parse_report(line(**changes))


def nics(*addresses, mac=STATIC.mac):
    other = {"name": "eth1", "mac": DYNAMIC.mac, "addresses": ["10.0.2.15/24"]}
    return [{"name": "eth0", "mac": mac, "addresses": list(addresses)}, other]


def test_a_report_is_read():
    told = report()
    assert told.hostname == PUBLIC.hostname
    assert told.macs == (STATIC.mac, DYNAMIC.mac)
    assert told.addresses == ("10.100.1.10/24", "fec0::5054:ff/64", "10.0.2.15/24")
    assert told.started


def test_a_guest_that_is_still_starting_is_not_started():
    assert not report(state="starting").started
    assert report(state="degraded").started


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"nonsense",
        b"[1]",
        line()[:-1],
        line(version=2),
        line(machine_id="../../etc"),
        line(hostname="\x1b[2J"),
        line(hostname="a\nb"),
        line(host_keys=["key"]),
        line(host_keys="SHA256:"),
        line(unknown=1),
        line(failed=["x"] * 65),
        line(state=1),
        line(nics=[{"name": "eth0", "mac": "x", "addresses": []}]),
        b'{"version":' + b"[" * 60000,
        b"\xff\xfe" + line(),
        line() + b" " * LONGEST_LINE,
    ],
)
def test_what_is_no_report_is_refused(bad):
    with pytest.raises(GuestError):
        parse_report(bad)


def test_the_newest_whole_line_counts():
    stream = line()[20:] + b"\n\n" + line(state="starting") + b"\n\n" + line(hostname="newer") + b"\n\n" + line()[:50]
    found = last_report(stream)
    assert found is not None
    assert found.hostname == "newer"


def test_a_stream_without_a_whole_line_has_no_report():
    assert last_report(b"") is None
    assert last_report(line()) is None
    assert last_report(b"{}\nnoise\n") is None


def test_a_guest_that_is_as_asked_has_no_faults():
    assert faults(PUBLIC, report()) == ()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"hostname": "template"}, "host name is 'template'"),
        ({"machine_id": ""}, "no machine-id"),
        ({"identity": ""}, "no identity was applied"),
        ({"identity": "0" * 16}, "'0000000000000000' was applied"),
        ({"nics": nics(mac="52:54:00:00:00:99")}, f"no NIC {STATIC.mac}"),
        ({"nics": nics("10.100.1.11/24")}, "has not the address 10.100.1.10/24"),
        ({"nics": nics("10.100.1.10/16")}, "has not the address 10.100.1.10/24"),
        ({"nics": nics()}, "(it has none)"),
        ({"gateways": []}, "has not the gateway 10.100.1.1"),
        ({"failed": ["sshd.service"]}, "sshd.service"),
        ({"problems": ["there is no NIC x"]}, "there is no NIC x"),
    ],
)
def test_what_is_not_as_asked_is_said(changes, said):
    (fault,) = faults(PUBLIC, report(**changes))
    assert said in fault


@pytest.mark.parametrize("addresses", [[], ["169.254.7.7/16"], ["fec0::1/64"]])
def test_a_nic_on_dhcp_must_have_got_an_address(addresses):
    told = nics("10.100.1.10/24")
    told[1]["addresses"] = addresses
    assert faults(PUBLIC, report(nics=told)) == (f"NIC {DYNAMIC.mac} has no address from DHCP.",)


def other(**changes):
    told = nics("10.100.1.11/24", mac="52:54:00:aa:00:03")
    told[1] = {"name": "eth1", "mac": "52:54:00:aa:00:04", "addresses": ["10.0.2.16/24"]}
    distinct = {"hostname": "b", "machine_id": "f" * 32, "host_keys": ["SHA256:" + "b" * 43], "nics": told}
    return report(**(distinct | changes))


def test_two_machines_that_differ_have_nothing_in_common():
    assert duplicates({"a": report(), "b": other()}) == ()


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"hostname": PUBLIC.hostname}, "host name"),
        ({"machine_id": "0123456789abcdef0123456789abcdef"}, "machine-id"),
        ({"host_keys": ["SHA256:" + "b" * 43, "SHA256:" + "a" * 43]}, "SSH host key"),
        ({"nics": nics("10.9.9.9/8")[:1]}, "MAC address"),
        ({"nics": nics("10.100.1.10/16", mac="52:54:00:aa:00:09")[:1]}, "address"),
    ],
)
def test_what_two_machines_have_in_common_is_said(changes, kind):
    (found,) = duplicates({"a": report(), "b": other(**changes), "c": other(
        hostname="c", machine_id="e" * 32, host_keys=[], nics=[])})  # fmt: skip
    assert f"'a' and 'b' have the same {kind}: " in found


def test_addresses_on_networks_of_their_own_may_be_alike():
    told = nics("10.100.1.11/24", mac="52:54:00:aa:00:03")
    told[1] = {"name": "eth1", "mac": "52:54:00:aa:00:04", "addresses": ["10.0.2.15/24"]}
    both = {"a": report(), "b": other(nics=told)}
    assert len(duplicates(both)) == 1
    assert duplicates(both, apart=frozenset({DYNAMIC.mac, "52:54:00:aa:00:04"})) == ()


def test_machines_without_host_keys_or_ids_are_not_alike_for_that():
    empty = {"machine_id": "", "host_keys": []}
    assert duplicates({"a": report(**empty), "b": other(**empty)}) == ()
