import configparser
import dataclasses
import re

import pytest
import yaml

from imgpipe.identity.network import RENDERERS, ifcfg, ifupdown, keyfile, netplan
from sample_identity import DYNAMIC, STATIC

NICS = (STATIC, DYNAMIC)


def profile(file):
    parsed = configparser.ConfigParser(delimiters="=")
    parsed.read_string(file.text)
    return parsed


def test_keyfiles_find_nics_by_mac_and_never_by_name():
    for file, nic in zip(keyfile.files(NICS), NICS, strict=True):
        parsed = profile(file)
        assert parsed["ethernet"]["mac-address"] == nic.mac.upper()
        assert "interface-name" not in parsed["connection"]


def test_a_keyfile_has_the_static_address_with_its_gateway_and_servers():
    ipv4 = profile(keyfile.files(NICS)[0])["ipv4"]
    assert dict(ipv4) == {"method": "manual", "address1": "10.100.1.10/24,10.100.1.1", "dns": "10.100.1.2;10.100.1.3;"}
    assert dict(profile(keyfile.files((DYNAMIC,))[0])["ipv4"]) == {"method": "auto"}


def test_a_nic_with_dhcp_beside_a_gateway_is_not_the_way_out():
    inner = dataclasses.replace(STATIC, gateway=None)
    for tool, word in (
        ("keyfile", "never-default=true"),
        ("ifcfg", "DEFROUTE=no"),
        ("ifupdown", "    metric 1000"),
        ("netplan", "use-routes: false"),
    ):
        told = {nics: [word in file.text for file in RENDERERS[tool](nics)] for nics in (NICS, (inner, DYNAMIC))}
        assert sum(told[NICS]) == 1, tool
        assert not any(told[inner, DYNAMIC]), tool
    dynamic = keyfile.files(NICS)[1]
    assert profile(dynamic)["ipv4"]["never-default"] == "true"


def test_keyfiles_are_readable_by_root_alone():
    assert {file.mode for file in keyfile.files(NICS)} == {0o600}


def test_profiles_of_one_machine_have_uuids_of_their_own_that_stay():
    uuids = [profile(file)["connection"]["uuid"] for file in keyfile.files(NICS)]
    assert len(set(uuids)) == 2
    assert uuids == [profile(file)["connection"]["uuid"] for file in keyfile.files(NICS)]


def test_ifcfg_files_have_what_network_manager_reads():
    static, dynamic = (dict(line.split("=") for line in file.text.splitlines()) for file in ifcfg.files(NICS))
    assert static["HWADDR"] == STATIC.mac.upper()
    assert (static["BOOTPROTO"], static["IPADDR"], static["PREFIX"]) == ("none", "10.100.1.10", "24")
    assert (static["GATEWAY"], static["DNS1"], static["DNS2"]) == ("10.100.1.1", "10.100.1.2", "10.100.1.3")
    assert dynamic["BOOTPROTO"] == "dhcp"
    assert "IPADDR" not in dynamic
    assert "DEVICE" not in {**static, **dynamic}


def test_ifupdown_leaves_the_names_of_nics_to_the_guest():
    main, static, dynamic, resolver = ifupdown.files(NICS)
    assert main.path == "/etc/network/interfaces"
    assert "source /etc/network/interfaces.d/*" in main.text
    assert static.mac == STATIC.mac
    assert static.text.splitlines()[:3] == ["auto @NIC@", "iface @NIC@ inet static", "    address 10.100.1.10/24"]
    assert dynamic.text == "auto @NIC@\niface @NIC@ inet dhcp\n    metric 1000\n"
    assert resolver.text == "nameserver 10.100.1.2\nnameserver 10.100.1.3\n"


def test_ifupdown_without_name_servers_leaves_resolv_conf_alone():
    assert not [file for file in ifupdown.files((DYNAMIC,)) if file.path == "/etc/resolv.conf"]


def test_netplan_matches_by_mac():
    (file,) = netplan.files(NICS)
    ethernets = yaml.safe_load(file.text)["network"]["ethernets"]
    assert file.mode == 0o600
    assert ethernets["nic0"] == {
        "match": {"macaddress": STATIC.mac},
        "dhcp4": False,
        "addresses": ["10.100.1.10/24"],
        "routes": [{"to": "default", "via": "10.100.1.1"}],
        "nameservers": {"addresses": ["10.100.1.2", "10.100.1.3"]},
    }
    assert ethernets["nic1"] == {
        "match": {"macaddress": DYNAMIC.mac},
        "dhcp4": True,
        "optional": True,
        "dhcp4-overrides": {"use-routes": False},
    }


@pytest.mark.parametrize("tool", RENDERERS)
def test_no_renderer_assumes_the_name_of_a_nic(tool):
    text = "".join(file.text for file in RENDERERS[tool](NICS))
    assert not re.search(r"\b(eth\d|en[ops]\d)", text)
