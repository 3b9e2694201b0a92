import pytest
import yaml

from host_trees import write
from imgpipe.host.network.other_tools import for_ifupdown, for_netplan, for_networkd, tool_of
from imgpipe.host.network.wanted import checked

MACS = {f"eth{number}": f"52:54:00:00:00:0{number}" for number in range(4)}
STATIC = {"nic": "eth0", "address": "10.0.0.5/24", "gateway": "10.0.0.1", "dns": ["10.0.0.2"]}
NETWORK = checked(
    {
        "outside": {"nic": "bond0"},
        "inside": {"nic": "eth2", "vlan": 20, "address": "10.100.1.1/24"},
        "bonds": {"bond0": {"nics": ["eth0", "eth1"], "mode": "active-backup"}},
    },
    "x",
)


@pytest.mark.parametrize(
    ("files", "tool"),
    [
        ({}, None),
        ({"etc/netplan/50-cloud-init.yaml": "network: {version: 2}"}, "netplan"),
        ({"etc/netplan/01.yaml": "network: {version: 2, renderer: NetworkManager}"}, None),
        ({"etc/netplan/01.yaml": "network: {renderer: NetworkManager}", "etc/netplan/02.yaml": "{"}, None),
        ({"etc/network/interfaces": "auto lo\niface lo inet loopback\n"}, None),
        ({"etc/network/interfaces": "allow-hotplug eth0\niface eth0 inet dhcp\n"}, "ifupdown"),
        ({"etc/network/interfaces.d/x": "  iface eth1 inet6 auto\n"}, "ifupdown"),
        ({"etc/systemd/network/20.network": "[Match]\nName=en* eth1\n[Network]\nDHCP=yes\n"}, "systemd-networkd"),
        ({"etc/systemd/network/20.network": "[Match]\nName = eth*\n"}, "systemd-networkd"),
        ({"etc/systemd/network/20.network": "[Match]\nName=ve-*\n[Network]\nName=eth0\n"}, None),
        ({"etc/network/interfaces": "iface eth9 inet dhcp\n# iface eth0 inet dhcp\n"}, None),
    ],
)
def test_who_has_the_network_in_hand_is_found_out(tmp_path, files, tool):
    for path, text in files.items():
        write(tmp_path, path, text)
    assert tool_of(tmp_path, ("eth0", "eth1")) == tool


def test_netplan_gets_the_same_bridges():
    network = yaml.safe_load(for_netplan(NETWORK, MACS))["network"]
    assert network["version"] == 2
    assert set(network["ethernets"]) == {"eth0", "eth1", "eth2"}
    assert network["bonds"]["bond0"]["interfaces"] == ["eth0", "eth1"]
    assert network["vlans"]["eth2.20"] == {"id": 20, "link": "eth2"}
    br1, br2 = network["bridges"]["br1"], network["bridges"]["br2"]
    assert (br1["interfaces"], br1["dhcp4"], br1["macaddress"]) == (["bond0"], True, MACS["eth0"])
    assert (br2["interfaces"], br2["dhcp4"], br2["addresses"]) == (["eth2.20"], False, ["10.100.1.1/24"])
    assert br1["parameters"] == {"stp": False, "forward-delay": 0}


def test_netplan_gets_the_route_and_the_name_servers():
    bridge = yaml.safe_load(for_netplan(checked({"outside": STATIC}, "x"), MACS))["network"]["bridges"]["br1"]
    assert bridge["routes"] == [{"to": "default", "via": "10.0.0.1"}]
    assert bridge["nameservers"] == {"addresses": ["10.0.0.2"]}


def test_ifupdown_gets_the_same_bridges():
    text = for_ifupdown(NETWORK, MACS)
    assert "auto bond0\niface bond0 inet manual\n    bond-slaves eth0 eth1\n    bond-mode active-backup\n" in text
    assert "auto eth2.20\niface eth2.20 inet manual\n    vlan-raw-device eth2\n" in text
    assert "iface br1 inet dhcp\n    bridge_ports bond0\n    bridge_stp off\n" in text
    assert "iface br2 inet static\n    bridge_ports eth2.20\n" in text
    assert "    address 10.100.1.1/24\n" in text


def test_ifupdown_gets_the_route_and_the_name_servers():
    text = for_ifupdown(checked({"outside": STATIC}, "x"), MACS)
    assert "    address 10.0.0.5/24\n    gateway 10.0.0.1\n    dns-nameservers 10.0.0.2\n" in text


def test_networkd_gets_the_same_bridges():
    files = dict(part.partition("\n")[::2] for part in for_networkd(NETWORK, MACS).split("# 10-imgpipe-")[1:])
    assert set(files) == {
        *("bond0.netdev", "br1.netdev", "eth2.20.netdev", "br2.netdev"),
        *("eth0.network", "eth1.network", "bond0.network", "br1.network"),
        *("eth2.network", "eth2.20.network", "br2.network"),
    }
    assert "[Match]\nName=eth0\n\n[Network]\nBond=bond0\n" in files["eth0.network"]
    assert "[Match]\nName=bond0\n\n[Network]\nBridge=br1\n" in files["bond0.network"]
    assert "[Network]\nVLAN=eth2.20\n" in files["eth2.network"]
    assert "Kind=vlan\n\n[VLAN]\nId=20\n" in files["eth2.20.netdev"]
    assert f"Kind=bridge\nMACAddress={MACS['eth0']}\n\n[Bridge]\nSTP=no\n" in files["br1.netdev"]
    assert "[Network]\nDHCP=ipv4\n" in files["br1.network"]
    assert "[Network]\nAddress=10.100.1.1/24\n" in files["br2.network"]


def test_networkd_gets_the_route_and_the_name_servers():
    text = for_networkd(checked({"outside": STATIC}, "x"), MACS)
    assert "[Network]\nAddress=10.0.0.5/24\nGateway=10.0.0.1\nDNS=10.0.0.2\n" in text
