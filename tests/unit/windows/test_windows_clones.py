"""A clone's own answer file, and what Windows would refuse in it."""

from __future__ import annotations

import base64
from ipaddress import IPv4Address, IPv4Interface
from xml.etree import ElementTree as ET

import pytest

from imgpipe.deploy.wanted import Identity, WantedNic
from imgpipe.errors import RecipeError
from imgpipe.os_family import Personalise
from imgpipe_windows.clones import (
    CD_FILE,
    ENABLE_ADMINISTRATOR,
    INPUT_LOCALE,
    LANGUAGE,
    OLD_WIZARD,
    PANTHER_FILE,
    REMOTE_DESKTOP,
    TIME_ZONE,
    personalise_files,
)
from imgpipe_windows.computer_names import faults, of_host

NS = "{urn:schemas-microsoft-com:unattend}"
WCM = "{http://schemas.microsoft.com/WMIConfig/2002/State}"
PASSWORD = "Good-pass-1 <&>"
STATIC = WantedNic(
    kind="bridge",
    source="br1",
    mac="52:54:00:ab:cd:ef",
    address=IPv4Interface("10.0.0.5/24"),
    gateway=IPv4Address("10.0.0.1"),
    dns=(IPv4Address("10.0.0.2"), IPv4Address("10.0.0.3")),
)
DHCP = WantedNic(kind="network", source="default", mac="52:54:00:00:00:02")


def identity(hostname="web-01.example.org", nics=(STATIC, DHCP), password=PASSWORD):
    return Identity(hostname=hostname, nics=nics, password=password)


def answers(who, **settings):
    personalise = Personalise(way="unattend", network="none", settings=tuple(settings.items()))
    (step,) = personalise_files(who, personalise)
    assert step.path == PANTHER_FILE
    assert PASSWORD not in repr(step)
    return ET.fromstring(step.content)


def component(root, phase, name):
    return root.find(f"{NS}settings[@pass='{phase}']/{NS}component[@name='Microsoft-Windows-{name}']")


def texts(element):
    return [(one.tag.removeprefix(NS), (one.text or "").strip()) for one in element.iter() if (one.text or "").strip()]


def test_a_clone_is_told_its_name_zone_and_password():
    root = answers(identity(), **{TIME_ZONE: "China Standard Time"})
    shell = component(root, "specialize", "Shell-Setup")
    assert texts(shell) == [("ComputerName", "WEB-01"), ("TimeZone", "China Standard Time")]
    value = root.findtext(f".//{NS}AdministratorPassword/{NS}Value")
    assert base64.b64decode(value).decode("utf-16-le") == f"{PASSWORD}AdministratorPassword"


def test_a_cd_carries_the_same_file_by_the_name_that_windows_looks_for():
    (on_disk,) = personalise_files(identity(), Personalise(way="unattend", network="none"))
    (on_cd,) = personalise_files(identity(), Personalise(way="unattend-cd", network="none"))
    assert (on_cd.path, on_cd.content) == (CD_FILE, on_disk.content)
    assert CD_FILE == "/Unattend.xml"


def test_addresses_are_told_by_mac_and_the_other_nics_are_left_to_dhcp():
    root = answers(identity())
    assert texts(component(root, "specialize", "TCPIP")) == [
        ("DhcpEnabled", "false"),
        ("Identifier", "52-54-00-AB-CD-EF"),
        ("IpAddress", "10.0.0.5/24"),
        ("Identifier", "0"),
        ("Prefix", "0.0.0.0/0"),
        ("NextHopAddress", "10.0.0.1"),
    ]
    servers = component(root, "specialize", "DNS-Client")
    assert texts(servers)[0] == ("DNSDomain", "example.org")
    keys = {one.get(f"{WCM}keyValue"): one.text for one in servers.iter(f"{NS}IpAddress")}
    assert keys == {"1": "10.0.0.2", "2": "10.0.0.3"}
    assert len(root.findall(f".//{NS}Interface[@{WCM}action='add']")) == 2


def test_a_clone_with_dhcp_alone_gets_no_settings_of_networks():
    root = answers(identity("web-01", nics=(DHCP,)))
    assert component(root, "specialize", "TCPIP") is None
    assert component(root, "specialize", "DNS-Client") is None


def test_the_last_partition_grows_into_a_larger_disk():
    root = answers(identity())
    assert texts(component(root, "specialize", "Deployment")) == [("Extend", "true")]


def test_old_systems_are_not_told_of_pages_they_do_not_have():
    pages = ("HideLocalAccountScreen", "HideOEMRegistrationScreen", "HideOnlineAccountScreens")
    new, old = answers(identity()), answers(identity(), **{OLD_WIZARD: "yes"})
    assert [new.find(f".//{NS}{page}") is not None for page in pages] == [True] * 3
    assert [old.find(f".//{NS}{page}") for page in pages] == [None] * 3


def test_a_client_gets_its_administrator_enabled_and_its_language_told():
    root = answers(identity(), **{ENABLE_ADMINISTRATOR: "yes", LANGUAGE: "zh-CN"})
    assert ("Path", "net user Administrator /active:yes") in texts(component(root, "specialize", "Deployment"))
    assert {text for _, text in texts(component(root, "oobeSystem", "International-Core"))} == {"zh-CN"}


def test_the_keyboard_may_differ_from_the_language():
    root = answers(identity(), **{LANGUAGE: "en-US", INPUT_LOCALE: "de-DE"})
    assert texts(component(root, "oobeSystem", "International-Core"))[0] == ("InputLocale", "de-DE")


def test_remote_desktop_is_opened_by_the_resource_of_its_rules_where_it_is_wanted():
    root = answers(identity(), **{REMOTE_DESKTOP: "1"})
    rules = root.find(f"{NS}settings[@pass='specialize']/{NS}component[@name='Networking-MPSSVC-Svc']")
    assert ("Group", "@FirewallAPI.dll,-28752") in texts(rules)
    assert texts(component(root, "specialize", "TerminalServices-LocalSessionManager")) == [
        ("fDenyTSConnections", "false")
    ]
    assert texts(component(root, "specialize", "TerminalServices-RDP-WinStationExtensions")) == [
        ("UserAuthentication", "1")
    ]
    assert not any("MPSSVC" in one.get("name") for one in answers(identity()).iter(f"{NS}component"))


def test_every_component_says_which_it_is():
    for one in answers(identity()).iter(f"{NS}component"):
        assert (one.get("processorArchitecture"), one.get("versionScope")) == ("amd64", "nonSxS")
        assert one.get("publicKeyToken") == "31bf3856ad364e35"


@pytest.mark.parametrize(
    ("password", "sign"),
    [
        ("", "is missing"),
        ("Ab1-", "8 to 127 characters"),
        ("x" * 128, "8 to 127 characters"),
        ("lowercase1", "three of"),
        ("My-Administrator-1", "the account's name"),
        ("Good-pass-1\x07", "control characters"),
    ],
)
def test_a_password_that_windows_would_refuse_is_refused_here(password, sign):
    with pytest.raises(RecipeError) as caught:
        personalise_files(identity(password=password), Personalise(way="unattend"))
    assert any(sign in fault for fault in caught.value.details)
    assert not password or not any(password in fault for fault in caught.value.details)


def test_all_faults_are_told_at_once():
    with pytest.raises(RecipeError) as caught:
        personalise_files(identity("12345", password="short"), Personalise(way="unattend"))
    assert len(caught.value.details) == 3


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("web-01.example.org", "WEB-01"),
        ("a-very-long-name-01", "A-VERY-LONG-NAM"),
        ("fourteen-chars-x", "FOURTEEN-CHARS"),
    ],
)
def test_a_computer_name_is_the_first_label_cut_as_windows_cuts_it(host, name):
    assert of_host(host) == name
    assert list(faults(name)) == []


@pytest.mark.parametrize(
    "name", ["", "sixteen-letters-", "1234", "under_score space", "a/b", "ünïcödé-nämé-x", "-a", "a-"]
)
def test_what_is_no_computer_name_is_refused(name):
    assert list(faults(name))
