"""A clone's MAC addresses in place of its source's, in every kind of file that tells NICs by them."""

import dataclasses

import pytest
from fake_libguestfs import FakeGuestFS
from hypothesis import given
from hypothesis import strategies as st

from imgpipe.deploy.foreign import EARLY_FILES, MAC_FILES, clone_claims, clone_steps
from imgpipe.guest_worker.edits import Edits
from imgpipe.guest_worker.files import MOST_BYTES
from imgpipe.guest_worker.mac_files import MacFiles
from imgpipe.guest_worker.macs import found, found_in_name, replaced, replaced_in_name
from imgpipe.offline_edits import DropLines, Remove, ReplaceMacs, WithoutMacs, WriteFile

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
    "/usr/lib/udev/rules.d/70-persistent-net.rules": 'ATTR{{address}}=="{}", NAME="eth0"\n',
    "/usr/lib/systemd/network/10-a.link": "[Match]\nMACAddress={}\n",
    "/usr/local/lib/systemd/network/10-a.network": "[Match]\nMACAddress={}\n",
    "/usr/lib/NetworkManager/conf.d/own.conf": "match-device=mac:{}\n",
    "/usr/lib/netplan/00-own.yaml": "      match: {{macaddress: '{}'}}\n",
    "/etc/cloud/cloud.cfg": 'mac_address: "{}"\n',
    "/var/lib/cloud/seed/nocloud/network-config": 'macaddress: "{}"\n',
    "/var/lib/cloud/instances/i-1/network-config.json": '{{"mac_address": "{}"}}\n',
    "/etc/default/grub": 'GRUB_CMDLINE_LINUX="ifname=eth0:{}"\n',
    "/boot/loader/entries/abc.conf": "options ifname=eth0:{}\n",
    "/boot/grub2/grubenv": "kernelopts=ifname=eth0:{}\n",
    "/etc/dracut.conf.d/net.conf": 'kernel_cmdline+=" ifname=eth0:{} "\n',
}
# Where a NIC is called after its address; file names too.
NAMED = {
    "/etc/NetworkManager/system-connections/enx{}.nmconnection": "[connection]\nid=enx{}\ninterface-name=enx{}\n",
    "/etc/sysconfig/network-scripts/ifcfg-enx{}": "DEVICE=enx{}\n",
    "/etc/sysconfig/network-scripts/route-enx{}": "10.1.0.0/16 via 10.0.0.1 dev enx{}\n",
    "/etc/sysconfig/network/ifcfg-enx{}": "STARTMODE=auto\n",
    "/etc/netplan/enx{}.yaml": "network:\n  ethernets:\n    enx{}:\n      dhcp4: true\n",
    "/etc/systemd/network/10-enx{}.network": "[Match]\nName=enx{}\n",
    "/etc/systemd/network/10-{}.link": "[Link]\nName=enx{}\n",
    "/etc/network/interfaces.d/enx{}": "auto enx{}\niface enx{} inet static\n  post-up ip link set enx{}.10 up\n",
    "/etc/sysctl.d/enx{}.conf": "net.ipv4.conf.enx{}.rp_filter = 0\n",
    "/etc/firewalld/zones/public.xml": '<interface name="enx{}"/>\n',
    "/etc/iptables/rules.v4": "-A INPUT -i enx{} -j ACCEPT\n",
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
    "525400aabbcc": "5254001e2f3a",
    "525400AABBCC": "5254001E2F3A",
    "enx525400aabbcc": "enx5254001e2f3a",
    "wlx525400aabbcc:": "wlx5254001e2f3a:",
    "iface enx525400aabbcc.10 inet": "iface enx5254001e2f3a.10 inet",
    "br-525400aabbcc": "br-5254001e2f3a",
    # As NetworkManager wrote keyfiles up to 0.9.10.
    "mac-address=82;84;0;170;187;204;": "mac-address=82;84;0;30;47;58;",
    "82;84;0;170;187;204": "82;84;0;30;47;58",
}
OTHERS = (
    "02:52:54:00:aa:bb:cc", "01-52:54:00:aa:bb:cc",
    "52:54:00:aa:bb:cc:dd", "00:01:00:01:2c:52:54:00:aa:bb:cc", "fe80:52:54:00:aa:bb:cc",
    "52:54:00:aa:bb:ccd", "a52:54:00:aa:bb:cc", "52:54-00:aa-bb:cc", "52:54:00:aa:bb:dd", "10.0.0.1",
    "enx525400aabbcd", "xenx525400aabbcc", "525400aabbcc0", "0525400aabbcc", "eth525400aabbcc",
    # The node of a UUID is no NIC's address any more.
    "6b1d0c3e-8f3b-11ee-8f3b-525400aabbcc",
    "ssid=82;84;0;170;187;204;1;", "1;82;84;0;170;187;204;", "82;84;0;170;187;205;", "338;84;0;170;187;204",
)  # fmt: skip
macs = st.binary(min_size=6, max_size=6).map(lambda raw: raw.hex(":"))


def put(root, path, content):
    target = root / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(content)
    return target


def replace_in(root):
    """Replace the source's addresses as a clone's edits do; return how many paths changed, and the remarks."""
    edits = Edits(FakeGuestFS(root))
    step = ReplaceMacs(patterns=MAC_FILES, pairs=PAIRS, early=EARLY_FILES)
    return edits.apply([{"kind": "ReplaceMacs", **dataclasses.asdict(step)}]), edits.remarks


def held_in(root):
    (claim,) = [one for one in clone_claims((A,)) if isinstance(one, WithoutMacs)]
    edits = Edits(FakeGuestFS(root))
    return MacFiles(edits.g, edits.files, claim.patterns).holding(claim.macs)


@pytest.mark.parametrize("path", FILES)
def test_in_every_kind_of_file_the_address_is_replaced_in_place(tmp_path, path):
    file = put(tmp_path, path, FILES[path].format(A, A))
    file.chmod(0o600)
    before = file.stat()
    assert held_in(tmp_path) == [path]
    assert replace_in(tmp_path) == (1, [])
    assert file.read_text() == FILES[path].format(NEW, NEW)
    assert (file.stat().st_ino, file.stat().st_mode) == (before.st_ino, before.st_mode)
    assert held_in(tmp_path) == []


@pytest.mark.parametrize("path", NAMED)
def test_a_nic_that_is_called_after_its_address_is_called_after_the_clones(tmp_path, path):
    old, new = A.replace(":", ""), NEW.replace(":", "")
    put(tmp_path, path.replace("{}", old), NAMED[path].replace("{}", old))
    assert held_in(tmp_path) == [path.replace("{}", old)]
    replace_in(tmp_path)
    assert (tmp_path / path.replace("{}", new).lstrip("/")).read_text() == NAMED[path].replace("{}", new)
    assert held_in(tmp_path) == []


def test_a_folder_of_drop_ins_keeps_the_name_of_its_file(tmp_path):
    put(tmp_path, "/etc/systemd/network/10-enx525400aabbcc.network", "[Match]\nName=enx525400aabbcc\n")
    put(tmp_path, "/etc/systemd/network/10-enx525400aabbcc.network.d/own.conf", f"[Link]\nMACAddress={A}\n")
    replace_in(tmp_path)
    made = tmp_path / "etc/systemd/network/10-enx5254001e2f3a.network.d/own.conf"
    assert made.read_text() == f"[Link]\nMACAddress={NEW}\n"
    assert made.parent.with_suffix("").is_file()
    assert held_in(tmp_path) == []


def test_a_name_that_is_taken_is_not_written_over_and_refuses_the_clone(tmp_path):
    put(tmp_path, "/etc/network/interfaces.d/enx525400aabbcc", "old\n")
    other = put(tmp_path, "/etc/network/interfaces.d/enx5254001e2f3a", "somebody's\n")
    replace_in(tmp_path)
    assert other.read_text() == "somebody's\n"
    assert held_in(tmp_path) == ["/etc/network/interfaces.d/enx525400aabbcc"]


@pytest.mark.parametrize("target", ["../../opt/profile", "/opt/profile"])
def test_what_a_link_leads_to_in_the_guest_is_changed_there(tmp_path, target):
    file = put(tmp_path, "/opt/profile", A)
    put(tmp_path, "/etc/netplan/own.yaml", "x")
    (tmp_path / "etc/netplan/a.yaml").symlink_to(target)
    assert held_in(tmp_path) == ["/opt/profile"]
    assert replace_in(tmp_path) == (1, [])
    assert file.read_text() == NEW
    assert (tmp_path / "etc/netplan/a.yaml").readlink().as_posix() == target
    assert held_in(tmp_path) == []


def test_a_link_to_what_is_renamed_leads_there(tmp_path):
    put(tmp_path, "/etc/systemd/network/10-enx525400aabbcc.network", "[Match]\n")
    link = tmp_path / "etc/systemd/network/20-alias.network"
    link.symlink_to("10-enx525400aabbcc.network")
    replace_in(tmp_path)
    assert link.read_text() == "[Match]\n"


def test_what_is_new_gets_its_label_under_its_new_name(tmp_path):
    put(tmp_path, "/etc/systemd/network/10-enx525400aabbcc.network", "[Match]\n")
    (tmp_path / "etc/systemd/network/20-alias.network").symlink_to("10-enx525400aabbcc.network")
    edits = Edits(FakeGuestFS(tmp_path))
    edits.g.labels["/etc"] = "etc_t"
    drop_in = "/etc/systemd/network/10-enx525400aabbcc.network.d/own.conf"
    written = WriteFile(path=drop_in, content="[Link]\n")
    replacement = ReplaceMacs(patterns=MAC_FILES, pairs=PAIRS)
    edits.apply([{"kind": type(step).__name__, **dataclasses.asdict(step)} for step in (written, replacement)])
    edits.relabel()
    folder = "/etc/systemd/network/10-enx5254001e2f3a.network.d"
    assert edits.g.labels.keys() == {"/etc", folder, f"{folder}/own.conf", "/etc/systemd/network/20-alias.network"}


def test_links_that_lead_nowhere_to_a_device_or_a_folder_are_left_alone(tmp_path):
    put(tmp_path, "/opt/folder/file", A)
    folder = tmp_path / "etc/systemd/network"
    folder.mkdir(parents=True)
    targets = {"a.link": "/dev/null", "b.link": "nowhere", "c.link": "/opt/folder", "d.link": "d.link"}
    for name, target in targets.items():
        (folder / name).symlink_to(target)
    assert replace_in(tmp_path) == (0, [])
    assert {path.name: path.readlink().as_posix() for path in folder.iterdir()} == targets


def test_a_file_too_large_for_settings_is_left_and_told_of(tmp_path):
    file = put(tmp_path, "/etc/nftables.conf", A + " " * MOST_BYTES)
    changed, (remark,) = replace_in(tmp_path)
    assert (changed, "'/etc/nftables.conf' is too large" in remark) == (0, True)
    assert file.read_text().startswith(A)


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/etc/systemd/network/10-a.link", True),
        ("/etc/udev/rules.d/70-persistent-net.rules", True),
        ("/usr/lib/udev/rules.d/70-persistent-net.rules", True),
        ("/etc/dracut.conf.d/net.conf", True),
        ("/etc/NetworkManager/system-connections/outside", False),
    ],
)
def test_an_initramfs_that_may_have_a_copy_is_told_of(tmp_path, path, told):
    put(tmp_path, path, A)
    assert replace_in(tmp_path) == (1, [])
    put(tmp_path, path, A)
    put(tmp_path, "/boot/initrd.img-6.12", "an archive")
    _changed, remarks = replace_in(tmp_path)
    folder = path.rpartition("/")[0]
    assert [f"'{folder}'" in remark and "update-initramfs" in remark for remark in remarks] == [True] * told


@pytest.mark.parametrize("text", NOTATIONS)
def test_notation_and_case_stay(text):
    assert replaced(text.encode(), PAIRS).decode() == NOTATIONS[text]
    assert found(text.encode(), (A,))


@pytest.mark.parametrize("text", OTHERS)
def test_what_is_another_or_part_of_something_longer_stays(text):
    assert replaced(text.encode(), PAIRS) == text.encode()
    assert not found(text.encode(), (A,))


@pytest.mark.parametrize(
    ("name", "new"),
    [
        ("10-52:54:00:aa:bb:cc.network", "10-52:54:00:1e:2f:3a.network"),
        ("70-52-54-00-aa-bb-cc.rules", "70-52-54-00-1e-2f-3a.rules"),
        ("10-525400aabbcc.network.d", "10-5254001e2f3a.network.d"),
        ("525400AABBCC.c", "5254001E2F3A.c"),
        ("ifcfg-enx525400aabbcc", "ifcfg-enx5254001e2f3a"),
        ("99-52:54:00:aa:bb:dd.link", "99-52:54:00:aa:bb:dd.link"),
    ],
)
def test_a_files_name_is_read_without_its_rank(name, new):
    assert replaced_in_name(name, PAIRS) == new
    assert found_in_name(name, (A,)) == (name != new)


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
    assert ReplaceMacs(patterns=MAC_FILES, pairs=PAIRS, early=EARLY_FILES) in steps
    assert [step.path for step in steps if isinstance(step, DropLines)] == ["/etc/hosts"]
    assert not [one for step in steps if isinstance(step, Remove) for one in step.patterns if "udev" in one]


def test_a_clone_with_a_network_of_its_own_loses_them_and_has_the_rest_replaced():
    steps = clone_steps("vm005", PAIRS)
    assert any(isinstance(step, DropLines) and step.path.endswith(".nmconnection") for step in steps)
    assert any(isinstance(step, Remove) and any("persistent-net" in one for one in step.patterns) for step in steps)
    assert ReplaceMacs(patterns=MAC_FILES, pairs=PAIRS, early=EARLY_FILES) in steps
