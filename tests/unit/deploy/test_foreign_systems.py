"""Which network tool a system has that imgpipe did not build, and what its clones get."""

import pytest

from imgpipe.deploy.foreign import INTERFACES, PROBED, GuestFacts, clone_claims, clone_steps, personalise_of
from imgpipe.errors import GuestError
from imgpipe.identity.steps import steps
from imgpipe.offline_edits import Absent, Empty, Remove, WriteFile

SYSTEMD = "/usr/lib/systemd/systemd"
MANAGER = "/usr/sbin/NetworkManager"
NICS = "auto lo\niface lo inet loopback\nallow-hotplug ens3\niface ens3 inet dhcp\n"
ONLY_LOOPBACK = "auto lo\niface lo inet loopback\n"
IFCFG = "/etc/sysconfig/network-scripts"


def facts(distro, version, *present, interfaces=""):
    return GuestFacts(distro=distro, version=version, present=frozenset((SYSTEMD, *present)), interfaces=interfaces)


@pytest.mark.parametrize(
    ("found", "tool"),
    [
        (facts("ubuntu", "24.04", "/usr/sbin/netplan"), "netplan"),
        (facts("ubuntu", "22.04", "/usr/sbin/netplan", MANAGER), "netplan"),
        (facts("debian", "12.5", "/sbin/ifup", INTERFACES, interfaces=NICS), "ifupdown"),
        (facts("debian", "12.5", "/sbin/ifup", INTERFACES, MANAGER, interfaces=NICS), "ifupdown"),
        (facts("debian", "12.5", "/sbin/ifup", INTERFACES, MANAGER, interfaces=ONLY_LOOPBACK), "keyfile"),
        (facts("debian", "12.5", "/sbin/ifup", INTERFACES, interfaces=ONLY_LOOPBACK), "ifupdown"),
        (facts("rocky", "9.4", MANAGER, IFCFG), "keyfile"),
        (facts("rocky", "10.1", MANAGER), "keyfile"),
        (facts("rocky", "8.10", MANAGER, IFCFG), "ifcfg"),
        (facts("centos", "7.9", MANAGER, IFCFG), "ifcfg"),
        (facts("centos", "7.9", IFCFG), "ifcfg"),
        (facts("fedora", "40.0", MANAGER, IFCFG), "keyfile"),
        (facts("archlinux", "0.0"), "none"),
    ],
)
def test_the_network_tool_follows_from_what_is_on_the_disk(found, tool):
    assert personalise_of(found).network == tool
    assert personalise_of(found).way == "first-boot"
    assert found.present <= set(PROBED)


def test_a_system_without_systemd_is_refused():
    with pytest.raises(GuestError, match="'alpinelinux 3.19' has no systemd"):
        personalise_of(GuestFacts(distro="alpinelinux", version="3.19", present=frozenset(("/sbin/ifup",))))


def test_a_clone_gets_a_name_no_ids_of_its_template_and_the_first_boot_unit():
    edits = clone_steps("vm005")
    assert WriteFile(path="/etc/hostname", content="vm005\n") in edits
    assert WriteFile(path="/etc/machine-id", content="", mode=0o444) in edits
    assert Remove(patterns=("/etc/ssh/ssh_host_*",)) in edits
    assert edits[-len(steps()) :] == steps()


def test_a_clone_keeps_logs_network_profiles_and_users_files():
    removed = [pattern for step in clone_steps("vm005") if isinstance(step, Remove) for pattern in step.patterns]
    kept = ("/var/log", "/home", "/root", "/tmp", "/etc/NetworkManager/system-connections", "/var/lib/cloud")
    assert removed
    assert not [pattern for pattern in removed if pattern.startswith(kept)]


def test_what_two_clones_must_not_share_is_claimed():
    claims = clone_claims()
    assert Empty(path="/etc/machine-id") in claims
    assert any(isinstance(claim, Absent) and "/etc/ssh/ssh_host_*" in claim.patterns for claim in claims)
