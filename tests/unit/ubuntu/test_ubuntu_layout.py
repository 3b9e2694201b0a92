"""The disk and the network of an Ubuntu image."""

from __future__ import annotations

import pytest
from ubuntu_orders import order

from imgpipe.sizes import GIB, MIB
from imgpipe_ubuntu.netplan import netplan
from imgpipe_ubuntu.storage import layout_disk
from imgpipe_ubuntu.systems import JAMMY, NOBLE


def actions(changes, release=NOBLE):
    return layout_disk(order(changes).recipe, release, "/dev/vda").config


def by_id(changes, release=NOBLE):
    return {action["id"]: action for action in actions(changes, release)}


def test_the_plain_layout_has_root_as_its_last_partition():
    partitions = [action["id"] for action in actions({}) if action["type"] == "partition"]
    assert partitions == ["bios", "boot", "swap", "root"]
    assert by_id({})["root"]["size"] == -1


def test_lvm_has_its_volumes_in_the_recipes_group():
    found = by_id({"disk": {"layout": "lvm", "volume_group": "vg0", "swap": "1 GiB"}})
    assert found["group"]["name"] == "vg0"
    assert found["swap"]["size"] == GIB
    assert found["root"] == found["swap"] | {"id": "root", "name": "root", "size": -1}


def test_no_swap_means_no_swap_and_no_swap_file():
    assert "swap" not in by_id({"disk": {"swap": 0}})


def test_sizes_are_rounded_up_to_what_the_disk_can_be_cut_into():
    found = by_id({"disk": {"boot": 1000 * MIB + 1, "swap": GIB + 1, "layout": "lvm"}})
    assert found["boot"]["size"] == 1001 * MIB
    assert found["swap"]["size"] == GIB + 4 * MIB


def test_uefi_puts_grub_on_the_esp_and_bios_on_the_disk():
    uefi, bios = by_id({"machine": {"firmware": "uefi"}}), by_id({})
    assert uefi["esp"]["grub_device"] is True
    assert uefi["disk"]["grub_device"] is False
    assert uefi["esp-mount"]["path"] == "/boot/efi"
    assert bios["disk"]["grub_device"] is True
    assert bios["bios"]["flag"] == "bios_grub"


@pytest.mark.parametrize(("release", "options"), [(JAMMY, None), (NOBLE, ["-i", "nrext64=0"])])
def test_xfs_stays_readable_for_the_hosts_kernels(release, options):
    found = by_id({"disk": {"filesystem": "xfs"}}, release)
    assert found["root-fs"].get("extra_options") == options
    assert found["boot-fs"]["fstype"] == "ext4"


def test_a_static_nic_has_its_address_route_and_servers():
    nic = {"name": "eth0", "address": "10.0.0.9/24", "gateway": "10.0.0.1", "dns": ["10.0.0.2", "10.0.0.3"]}
    assert netplan(order({"nics": [nic]}).recipe.nics)["ethernets"] == {
        "eth0": {
            "dhcp4": False,
            "dhcp6": False,
            "addresses": ["10.0.0.9/24"],
            "routes": [{"to": "default", "via": "10.0.0.1"}],
            "nameservers": {"addresses": ["10.0.0.2", "10.0.0.3"]},
        }
    }


def test_a_nic_by_mac_is_matched_and_named_if_it_has_a_name():
    nics = [{"mac": "52:54:00:00:00:01"}, {"mac": "52:54:00:00:00:02", "name": "inside"}]
    found = netplan(order({"nics": nics}).recipe.nics)["ethernets"]
    assert found["nic0"]["match"] == {"macaddress": "52:54:00:00:00:01"}
    assert found["inside"]["set-name"] == "inside"


def test_a_boot_does_not_wait_for_a_dhcp_server():
    assert netplan(order({}).recipe.nics)["ethernets"]["eth0"] == {"dhcp4": True, "optional": True}


def test_a_nic_with_dhcp_beside_a_gateway_takes_no_routes():
    nics = [{"name": "eth0"}, {"name": "eth1", "address": "192.0.2.7/24", "gateway": "192.0.2.1"}]
    found = netplan(order({"nics": nics}).recipe.nics)["ethernets"]
    assert found["eth0"]["dhcp4-overrides"] == {"use-routes": False}
    assert "dhcp4-overrides" not in found["eth1"]
