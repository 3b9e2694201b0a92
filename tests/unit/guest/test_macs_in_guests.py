"""A clone's MAC addresses in place of its source's, in every kind of file that tells NICs by them."""

import dataclasses

import pytest
from fake_libguestfs import FakeGuestFS
from hypothesis import given
from hypothesis import strategies as st

from imgpipe.deploy.foreign import MAC_FILES, clone_claims, clone_steps
from imgpipe.guest_worker.edits import Edits
from imgpipe.guest_worker.macs import found, replaced
from imgpipe.offline_edits import DropLines, Remove, ReplaceMacs, WithoutMacs

A, NEW = "52:54:00:aa:bb:cc", "52:54:00:1e:2f:3a"
PAIRS = ((A, NEW),)
FILES = {
    "/etc/NetworkManager/system-connections/outside": "mac-address={}\ncloned-mac-address={}\n",
    "/usr/lib/NetworkManager/system-connections/a.nmconnection": "mac-address={}\n",
    "/etc/NetworkManager/conf.d/own.conf": "match-device=mac:{}\n",
    "/etc/sysconfig/network-scripts/ifcfg-eth0": 'HWADDR="{}"\nMACADDR={}\n',
    "/etc/sysconfig/network/ifcfg-eth0": "LLADDR='{}'\n",
    "/etc/netplan/50-cloud-init.yaml": "      match: {{macaddress: '{}'}}\n      macaddress: {}\n",
    "/etc/cloud/cloud.cfg.d/50-network.cfg": 'mac_address: "{}"\n',
    "/etc/systemd/network/10-a.network": "[Match]\nMACAddress={} 00:11:22:33:44:55\n",
    "/etc/systemd/network/10-a.network.d/own.conf": "[Link]\nMACAddress={}\n",
    "/etc/systemd/network/10-a.link": "[Match]\nPermanentMACAddress={}\n",
    "/etc/systemd/network/10-a.link.d/own.conf": "MACAddress={}\n",
    "/etc/systemd/network/10-a.netdev": "[NetDev]\nMACAddress={}\n",
    "/etc/network/interfaces": "iface eth0 inet dhcp\n  hwaddress ether {}\n",
    "/etc/network/interfaces.d/eth1": "  hwaddress {}\n",
    "/etc/udev/rules.d/70-persistent-net.rules": 'ATTR{{address}}=="{}", NAME="eth0"\n',
    "/etc/udev/rules.d/10-own.rules": 'ATTR{{address}}=="{}"\n',
}
NOTATIONS = {
    "52:54:00:aa:bb:cc": "52:54:00:1e:2f:3a",
    "52:54:00:AA:BB:CC": "52:54:00:1E:2F:3A",
    "52-54-00-aa-bb-cc": "52-54-00-1e-2f-3a",
    "52-54-00-AA-BB-CC": "52-54-00-1E-2F-3A",
    "5254.00aa.bbcc": "5254.001e.2f3a",
    "mac:52:54:00:aa:bb:cc;": "mac:52:54:00:1e:2f:3a;",
    "mac-52-54-00-aa-bb-cc": "mac-52-54-00-1e-2f-3a",
    # DHCP client ids: the hardware type of Ethernet, and the address.
    "01:52:54:00:aa:bb:cc": "01:52:54:00:1e:2f:3a",
    "01-52-54-00-AA-BB-CC": "01-52-54-00-1E-2F-3A",
}
OTHERS = (
    "02:52:54:00:aa:bb:cc", "01-52:54:00:aa:bb:cc",
    "52:54:00:aa:bb:cc:dd", "00:01:00:01:2c:52:54:00:aa:bb:cc", "fe80:52:54:00:aa:bb:cc",
    "52:54:00:aa:bb:ccd", "a52:54:00:aa:bb:cc", "52:54-00:aa-bb:cc", "525400aabbcc", "52:54:00:aa:bb:dd", "10.0.0.1",
)  # fmt: skip
macs = st.binary(min_size=6, max_size=6).map(lambda raw: raw.hex(":"))


def put(root, path, content):
    target = root / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(content)
    return target


def apply(root, step):
    return Edits(FakeGuestFS(root)).apply([{"kind": type(step).__name__, **dataclasses.asdict(step)}])


@pytest.mark.parametrize("path", FILES)
def test_in_every_kind_of_file_the_address_is_replaced_in_place(tmp_path, path):
    file = put(tmp_path, path, FILES[path].format(A, A))
    file.chmod(0o600)
    before = file.stat()
    (claim,) = [one for one in clone_claims((A,)) if isinstance(one, WithoutMacs)]
    files = Edits(FakeGuestFS(tmp_path)).files
    assert files.with_macs(**dataclasses.asdict(claim)) == [path]
    assert apply(tmp_path, ReplaceMacs(patterns=MAC_FILES, pairs=PAIRS)) == 1
    assert file.read_text() == FILES[path].format(NEW, NEW)
    assert (file.stat().st_ino, file.stat().st_mode) == (before.st_ino, before.st_mode)
    assert files.with_macs(**dataclasses.asdict(claim)) == []


def test_a_link_is_left_alone_and_so_is_what_it_leads_to(tmp_path):
    outside = put(tmp_path, "/opt/precious", A)
    put(tmp_path, "/etc/netplan/own.yaml", "x")
    (tmp_path / "etc/netplan/a.yaml").symlink_to("../../opt/precious")
    assert apply(tmp_path, ReplaceMacs(patterns=MAC_FILES, pairs=PAIRS)) == 0
    assert outside.read_text() == A


@pytest.mark.parametrize("text", NOTATIONS)
def test_notation_and_case_stay(text):
    assert replaced(text.encode(), PAIRS).decode() == NOTATIONS[text]
    assert found(text.encode(), (A,))


@pytest.mark.parametrize("text", OTHERS)
def test_what_is_another_or_part_of_something_longer_stays(text):
    assert replaced(text.encode(), PAIRS) == text.encode()
    assert not found(text.encode(), (A,))


@given(st.lists(macs, min_size=2, max_size=6, unique=True), st.binary())
def test_all_pairs_are_replaced_in_one_pass_and_other_bytes_stay(addresses, rest):
    """Each becomes the next one, so that a second replacement of any would show."""
    following = [*addresses[1:], addresses[0]]
    pairs = tuple(zip(addresses, following, strict=True))
    content = "\n".join(addresses).encode() + b"\n"
    assert replaced(content, pairs) == "\n".join(following).encode() + b"\n"
    tail = b"\0|" + rest.replace(b":", b"").replace(b"-", b"").replace(b".", b"")
    assert replaced(content + tail, pairs)[len(content) :] == tail


@given(macs, macs)
def test_a_second_replacement_changes_nothing(old, new):
    once = replaced(f"x={old}\n".encode(), ((old, new),))
    assert once == f"x={new}\n".encode()
    assert replaced(once, ((old, new),) if old != new else ()) == once


def test_a_clone_that_keeps_its_network_loses_no_tie_to_a_nic():
    steps = clone_steps("vm005", PAIRS, keeps_network=True)
    assert ReplaceMacs(patterns=MAC_FILES, pairs=PAIRS) in steps
    assert [step.path for step in steps if isinstance(step, DropLines)] == ["/etc/hosts"]
    assert not [one for step in steps if isinstance(step, Remove) for one in step.patterns if "udev" in one]


def test_a_clone_with_a_network_of_its_own_loses_them_and_has_the_rest_replaced():
    steps = clone_steps("vm005", PAIRS)
    assert any(isinstance(step, DropLines) and step.path.endswith(".nmconnection") for step in steps)
    assert any(isinstance(step, Remove) and any("persistent-net" in one for one in step.patterns) for step in steps)
    assert ReplaceMacs(patterns=MAC_FILES, pairs=PAIRS) in steps
