"""What Ubuntu answers to an order."""

from __future__ import annotations

import itertools
import json
import tomllib
from pathlib import Path

import pytest
import yaml
from ubuntu_orders import FULL, HASH, KEY, order

from imgpipe.errors import RecipeError
from imgpipe.offline_edits import Absent
from imgpipe.recipe import Recipe
from imgpipe_ubuntu.lint import lint
from imgpipe_ubuntu.plugin import imgpipe_os_families
from imgpipe_ubuntu.prepare import prepare
from imgpipe_ubuntu.systems import RELEASES

SYSTEMS = tuple(RELEASES)
LAYOUTS = ("plain", "lvm")
FIRMWARES = ("bios", "uefi")
NICS = {
    "dhcp by name": [{"name": "eth0"}],
    "static with gateway": [
        {"name": "eth0", "address": "192.168.126.100/24", "gateway": "192.168.126.2", "dns": ["192.168.126.2"]},
        {"name": "eth1", "address": "123.0.0.1/24"},
    ],
    "by address of the card": [{"mac": "52:54:00:00:00:01"}, {"mac": "52:54:00:00:00:02", "name": "inside"}],
}


def files(changes=None, **more):
    return {file.name: file for file in prepare(order(changes, **more)).seed.files}


def section(changes=None, **more):
    return yaml.safe_load(files(changes, **more)["user-data"].text)["autoinstall"]


@pytest.mark.parametrize(
    ("system", "layout", "firmware", "nics", "guest"),
    list(itertools.product(SYSTEMS, LAYOUTS, FIRMWARES, NICS, ("bare", "full"))),
)
def test_everything_rendered_lints_without_a_fault_or_a_warning(system, layout, firmware, nics, guest):
    changes = {
        **(FULL if guest == "full" else {}),
        "nics": NICS[nics],
        "disk": {"layout": layout, "filesystem": "xfs"},
        "machine": {"firmware": firmware},
    }
    text = files(changes, system=system)["user-data"].text
    assert lint(text, RELEASES[system].system, firmware) == ()


@pytest.mark.parametrize(("system", "firmware"), list(itertools.product(SYSTEMS, FIRMWARES)))
def test_a_layout_for_one_firmware_is_a_fault_on_the_other(system, firmware):
    other = "uefi" if firmware == "bios" else "bios"
    text = files({"machine": {"firmware": firmware}}, system=system)["user-data"].text
    assert any(fault.severity == "error" for fault in lint(text, RELEASES[system].system, other))


def test_the_family_offers_both_releases_by_autoinstall():
    (family,) = imgpipe_os_families()
    assert [system.name for system in family.systems] == ["ubuntu22.04", "ubuntu24.04"]
    assert family.answer_kind == "autoinstall"
    assert family.options.model_validate({}).source == "ubuntu-server"


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_shipped_recipe_can_be_prepared_and_gives_the_installer_enough_memory(system):
    path = Path(__file__).parents[3] / "recipes" / f"{system}.toml"
    recipe = Recipe.model_validate({**tomllib.loads(path.read_text()), "name": system})
    assert recipe.name == recipe.os == system
    assert recipe.machine.memory >= RELEASES[system].system.memory
    assert prepare(order(recipe.model_dump(mode="json", exclude={"os", "name"}), system=system)).disk_layout


def test_the_same_order_gives_the_same_answer():
    assert prepare(order(FULL)) == prepare(order(FULL))


def test_the_seed_is_found_by_its_label_and_hides_only_the_script_with_the_hashes():
    seed = prepare(order(FULL)).seed
    assert (seed.place, seed.volume_id) == ("iso", "CIDATA")
    assert {file.name: file.secret for file in seed.files} == {
        "user-data": False,
        "meta-data": False,
        "late.sh": False,
        "target.sh": True,
    }
    assert [file.name for file in seed.files if HASH in file.text] == ["target.sh"]


def test_the_document_is_one_that_an_unattended_installer_ends_by_power_off():
    found = section()
    assert found["version"] == 1
    assert found["shutdown"] == "poweroff"
    assert found["refresh-installer"] == {"update": False}
    assert "interactive-sections" not in found


def test_an_offline_install_configures_no_network_and_falls_back_to_the_medium():
    found = section({"nics": NICS["static with gateway"]})
    assert found["network"] == {"version": 2, "ethernets": {}}
    assert found["apt"] == {"geoip": False, "fallback": "offline-install"}
    assert not prepare(order()).needs_network


def test_packages_ask_for_a_network_and_fail_at_once_without_a_mirror():
    changes = {
        "guest": {"packages": {"add": ["chrony"]}},
        "install": {"mirror": "http://m.example/ubuntu", "proxy": "http://p.example:3128/"},
    }
    found = section(changes)
    assert prepare(order(changes)).needs_network
    assert found["packages"] == ["chrony"]
    assert found["network"]["ethernets"]["any"]["dhcp4"] is True
    assert found["apt"]["fallback"] == "abort"
    assert found["apt"]["primary"] == [{"arches": ["default"], "uri": "http://m.example/ubuntu"}]
    assert found["proxy"] == "http://p.example:3128/"


def test_the_hosts_own_mirror_is_never_given_to_ubuntu():
    assert "mirror.invalid" not in json.dumps(section({"guest": {"packages": {"add": ["chrony"]}}}))


def test_an_isolated_install_takes_packages_from_the_medium():
    changes = {"guest": {"packages": {"add": ["chrony"]}}, "install": {"network": "isolated"}}
    assert not prepare(order(changes)).needs_network
    assert section(changes)["apt"]["fallback"] == "offline-install"


@pytest.mark.parametrize("name", ["@core", "Linux", "vim*", "a"])
def test_what_cannot_be_an_ubuntu_package_is_refused(name):
    with pytest.raises(RecipeError, match="cannot be the name"):
        prepare(order({"guest": {"packages": {"add": [name]}}}))


def test_enforcing_selinux_is_refused_and_its_other_modes_are_not():
    assert prepare(order({"guest": {"selinux": "off"}}))
    with pytest.raises(RecipeError, match="AppArmor"):
        prepare(order({"guest": {"selinux": "enforcing"}}))


def test_a_url_that_is_not_ascii_is_refused():
    changes = {"guest": {"packages": {"add": ["chrony"]}}, "install": {"mirror": "http://m.example/ü"}}
    with pytest.raises(RecipeError, match=r"install\.mirror"):
        prepare(order(changes))


def test_a_disk_that_leaves_too_little_for_root_is_refused():
    with pytest.raises(RecipeError, match="leaves 5"):
        prepare(order({"machine": {"disk": "9 GiB"}, "disk": {"swap": "2 GiB"}}))


def test_the_kernel_gets_autoinstall_and_the_target_inherits_nothing():
    arguments = prepare(order({"install": {"kernel_arguments": ["nomodeset"]}})).boot.arguments
    assert arguments[0] == "autoinstall"
    assert arguments[-1] == "---"
    assert {"ds=nocloud", "console=ttyS0,115200n8", "net.ifnames=0", "nomodeset"} <= set(arguments)
    assert "net.ifnames=0" not in prepare(order({"guest": {"classic_nic_names": False}})).boot.arguments


def test_the_proof_is_the_last_command_and_its_line_is_not_in_the_document():
    answer = prepare(order())
    assert section()["late-commands"][-1][-1] == "ubuntu24.04"
    assert answer.proof.console == "IMGPIPE-INSTALL-OK ubuntu24.04"
    # subiquity shows each command on the console before it runs it.
    assert all(answer.proof.console not in file.text for file in answer.seed.files)
    assert all(answer.proof.failure not in file.text for file in answer.seed.files)


def test_an_operators_own_file_is_used_as_it_is():
    answer = prepare(order({"machine": {"disk": "1 GiB"}}, own="#cloud-config\nautoinstall: {}\n"))
    assert answer.seed.files[0].text == "#cloud-config\nautoinstall: {}\n"
    assert answer.seed.files[0].secret
    assert answer.disk_layout == ()


def test_sealing_removes_what_would_keep_cloud_init_from_a_clones_medium():
    (operation,) = prepare(order()).operations
    gone = {pattern for claim in operation.sealed if isinstance(claim, Absent) for pattern in claim.patterns}
    assert {"/etc/cloud/cloud-init.disabled", "/etc/cloud/ds-identify.cfg", "/var/log/installer"} <= gone
    written = yaml.safe_load(operation.steps[1].content)
    assert written["datasource_list"] == ["NoCloud", "ConfigDrive"]
    # ds-identify reads one line only.
    assert "datasource_list: [ NoCloud, ConfigDrive ]\n" in operation.steps[1].content


def test_clones_are_personalised_by_cloud_init_and_netplan():
    personalise = prepare(order()).personalise
    assert (personalise.way, personalise.network) == ("cloud-init", "netplan")


def test_linux_disks_are_not_cached_by_the_host():
    assert prepare(order()).hardware.cache == "none"


def test_every_key_and_account_of_the_recipe_is_in_the_script():
    script = files(FULL)["target.sh"].text
    assert script.count(KEY) == 2
    assert f"'root:{HASH}'" in script
    assert f"'ops:{HASH}'" in script
    assert "passwd --lock root" in files()["target.sh"].text


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize(
    ("keyboard", "setting"),
    [
        ("us", {"layout": "us"}),
        ("uk", {"layout": "gb"}),
        ("de-latin1", {"layout": "de"}),
        ("de-nodeadkeys", {"layout": "de", "variant": "nodeadkeys"}),
        ("jp106", {"layout": "jp"}),
        ("sv-latin1", {"layout": "se"}),
        ("bg-phonetic", {"layout": "us,bg", "variant": ",phonetic", "toggle": "alt_shift_toggle"}),
        ("ru", {"layout": "us,ru", "variant": ",", "toggle": "alt_shift_toggle"}),
    ],
)
def test_the_keyboard_is_xkbs(system, keyboard, setting):
    changes = {"guest": {"keyboard": keyboard}}
    assert section(changes, system=system)["keyboard"] == setting
    assert not lint(files(changes, system=system)["user-data"].text, RELEASES[system].system, "bios")


def test_a_keyboard_that_xkb_has_not_is_refused_with_the_nearest():
    with pytest.raises(RecipeError) as refused:
        section({"guest": {"keyboard": "uk-extended"}})
    assert "knows no XKB layout 'uk-extended'; the nearest are 'uk'" in refused.value.details[0]
