import base64
import itertools

import pytest
from windows_orders import ADD, KEY, NS, PASSWORD, answer, component, order, text_of, tree_of, values

from imgpipe.errors import RecipeError
from imgpipe.os_family import CdBoot
from imgpipe_windows.lint import lint
from imgpipe_windows.lint.components import ALLOWED
from imgpipe_windows.prepare import prepare
from imgpipe_windows.systems import RELEASES

EVERY = [(name, firmware) for name, release in RELEASES.items() for firmware in release.system.firmware]
STATIC = {
    "nics": [
        {"mac": "52:54:00:12:34:56", "address": "192.168.0.5/24", "gateway": "192.168.0.1", "dns": ["192.168.0.2"]},
        {"name": "eth1"},
    ]
}
SAMPLES = {
    "windowsPE": {"International-Core-WinPE", "Setup"},
    "specialize": {"Shell-Setup", "Deployment", "TerminalServices-LocalSessionManager", "TCPIP"},
    "oobeSystem": {"Shell-Setup", "International-Core"},
}
"""What the answer files of public projects that install Windows on KVM have in common."""


@pytest.mark.parametrize(("system", "firmware"), EVERY)
def test_every_answer_file_has_each_component_in_a_pass_that_allows_it(system, firmware):
    tree = tree_of(system, firmware=firmware, **STATIC)
    found = {(settings.get("pass"), one.get("name")) for settings in tree for one in settings if settings.get("pass")}
    assert all(phase in ALLOWED[name] for phase, name in found)
    short = {(phase, name.removeprefix("Microsoft-Windows-")) for phase, name in found}
    assert short >= {(phase, name) for phase, names in SAMPLES.items() for name in names}


@pytest.mark.parametrize(("system", "firmware"), EVERY)
def test_every_answer_file_has_no_fault(system, firmware):
    assert lint(text_of(system, firmware=firmware, **STATIC), RELEASES[system].system, firmware) == ()


def test_the_passwords_are_encoded_each_with_its_suffix_and_nothing_shows_them():
    found = answer()
    tree = tree_of()
    encoded = values(tree, "AdministratorPassword/Value") + values(tree, "AutoLogon/Password/Value")
    assert [base64.b64decode(value).decode("utf-16-le") for value in encoded] == [
        f"{PASSWORD}AdministratorPassword",
        f"{PASSWORD}Password",
    ]
    assert [file.name for file in found.seed.files if encoded[0] in file.text] == ["autounattend.xml"]
    assert found.seed.files[0].secret
    assert PASSWORD not in repr(found)


@pytest.mark.parametrize("password", ["", "short-1", "alllowercase1", "My-Administrator-1"])
def test_a_password_that_windows_would_refuse_is_refused(password):
    with pytest.raises(RecipeError) as raised:
        prepare(order(password=password))
    assert "guest.root.password" in raised.value.details[0]
    assert not password or password not in str(raised.value.details)


def test_digests_of_the_answer_file_do_not_tell_a_guessed_password():
    asked = order()
    text = prepare(asked).seed.files[0].text
    import dataclasses

    from imgpipe.os_family import Account

    other = Account(name="root", password_hash="$6$other$salt", password=PASSWORD)
    again = prepare(dataclasses.replace(asked, accounts={"root": other})).seed.files[0].text
    assert text != again
    assert [line for line in text.splitlines() if "<!--" not in line] == [
        line for line in again.splitlines() if "<!--" not in line
    ]


@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_c_is_the_last_partition_and_windows_goes_there(firmware):
    tree = tree_of(firmware=firmware)
    kinds = values(tree, "CreatePartition/Type")
    assert kinds == (["Primary", "Primary"] if firmware == "bios" else ["EFI", "MSR", "Primary"])
    assert values(tree, "CreatePartition/Extend") == ["true"]
    assert values(tree, "InstallTo/PartitionID") == [str(len(kinds))]
    assert values(tree, "ModifyPartition/Letter") == ["C"]


def test_the_image_is_chosen_by_name_or_by_index():
    chosen = [values(tree_of(options=options), "MetaData/Value")[0] for options in (
        {}, {"edition": "Windows Server 2016 SERVERDATACENTER"}, {"image_index": 4}
    )]  # fmt: skip
    assert chosen == ["Windows Server 2016 SERVERSTANDARD", "Windows Server 2016 SERVERDATACENTER", "4"]
    assert values(tree_of(options={"image_index": 4}), "MetaData/Key") == ["/IMAGE/INDEX"]


def key_of(**more):
    return values(tree_of(**more), "ProductKey/Key")


def test_the_key_is_the_editions_own_public_one_the_recipes_or_none():
    assert key_of() == ["WC2BQ-8NRM3-FDDYY-2BFGV-KHKQY"]
    assert key_of(options={"edition": "Windows Server 2016 SERVERDATACENTER"}) == ["CB7KF-BWN84-R7R2Y-793K2-8XDDG"]
    assert key_of(key="AAAAA-BBBBB-CCCCC-DDDDD-EEEEE") == ["AAAAA-BBBBB-CCCCC-DDDDD-EEEEE"]
    assert key_of(options={"key": "none"}) == []
    assert key_of(options={"edition": "Windows Server 2016 SERVERSTANDARDEVAL"}) == []


def test_the_language_and_the_time_zone_are_windows_own():
    tree = tree_of(guest={"locale": "zh_CN.UTF-8", "timezone": "Asia/Shanghai"})
    assert set(values(tree, "UILanguage")) == {"zh-CN"}
    assert values(tree, "TimeZone") == ["China Standard Time"]
    assert values(tree_of(guest={"locale": "C"}), "SystemLocale") == ["en-US", "en-US"]
    with pytest.raises(RecipeError, match="Asia/Shanghi") as raised:
        tree_of(guest={"timezone": "Asia/Shanghi"})
    assert "Asia/Shanghai" in raised.value.hint


def test_nics_are_known_by_their_mac_addresses():
    tree = tree_of(**STATIC)
    network = component(tree, "specialize", "Microsoft-Windows-TCPIP")
    first, second = network.findall(".//u:Interface", NS)
    assert first.findtext("u:Identifier", namespaces=NS) == "52-54-00-12-34-56"
    (address,) = first.findall("u:UnicastIpAddresses/u:IpAddress", NS)
    assert (address.text, address.get(ADD), address.get(KEY)) == ("192.168.0.5/24", "add", "1")
    assert first.findtext("u:Ipv4Settings/u:DhcpEnabled", namespaces=NS) == "false"
    assert first.findtext("u:Routes/u:Route/u:NextHopAddress", namespaces=NS) == "192.168.0.1"
    assert second.findtext("u:Ipv4Settings/u:DhcpEnabled", namespaces=NS) == "true"
    names = component(tree, "specialize", "Microsoft-Windows-DNS-Client")
    assert [one.text for one in names.iter(f"{{{NS['u']}}}IpAddress")] == ["192.168.0.2"]


def test_the_install_machine_gives_a_nic_the_mac_that_the_answer_file_names():
    from imgpipe.domain_spec import passing_mac
    from imgpipe.recipe import Nic

    named = values(tree_of(nics=[{"name": "eth0"}]), "Interface/Identifier")
    assert named == [passing_mac(Nic(name="eth0"), 0).upper().replace(":", "-")]


def test_remote_desktop_is_opened_by_the_firewalls_resource_or_left_closed():
    assert values(tree_of(), "FirewallGroup/Group") == ["@FirewallAPI.dll,-28752"]
    closed = tree_of(options={"remote_desktop": False})
    assert values(closed, "fDenyTSConnections") == values(closed, "FirewallGroup/Group") == []


def test_what_an_old_system_does_not_know_is_not_answered():
    assert values(tree_of("win2008r2"), "HideOnlineAccountScreens") == []
    assert values(tree_of("win2012r2"), "HideOnlineAccountScreens") == ["true"]


def test_only_a_client_has_its_administrator_switched_on_and_no_server_manager():
    assert any("/active:yes" in path for path in values(tree_of("win10"), "RunSynchronousCommand/Path"))
    assert not any("/active:yes" in path for path in values(tree_of(), "RunSynchronousCommand/Path"))
    assert values(tree_of("win10"), "DoNotOpenServerManagerAtLogon") == []


def test_no_drive_letter_is_named_in_setup():
    for system in RELEASES:
        tree = tree_of(system)
        assert "PnpCustomizations" not in text_of(system)
        assert not [path for path in values(tree, "RunSynchronousCommand/Path") if ":\\" in path]


def test_windows_11_gets_a_tpm_and_secure_boot_unless_the_recipe_goes_without():
    with_both, without = (
        answer("win11").hardware,
        answer("win11", options={"tpm": False, "secure_boot": False}).hardware,
    )
    assert (with_both.tpm, with_both.secure_boot, without.tpm, without.secure_boot) == (True, True, False, False)
    assert values(tree_of("win11"), "RunSynchronousCommand/Path")[0].startswith("cmd.exe /c echo")
    skipped = tree_of("win11", options={"tpm": False})
    assert [path.split()[4] for path in values(skipped, "RunSynchronousCommand/Path") if "LabConfig" in path] == [
        "BypassTPMCheck",
        "BypassSecureBootCheck",
    ]


def test_secure_boot_without_uefi_is_refused():
    with pytest.raises(RecipeError) as raised:
        answer("win2016", firmware="bios", options={"secure_boot": True})
    assert "Secure Boot needs" in raised.value.details[0]


def test_the_machine_is_as_the_runbook_has_it():
    found = answer()
    hardware = found.hardware
    assert (hardware.disk_bus, hardware.cache, hardware.nic_model, hardware.clock) == (
        "virtio",
        "writeback",
        "virtio",
        "localtime",
    )
    assert isinstance(found.boot, CdBoot)
    assert found.boot.keys
    assert {name: answer(name).hardware.usb for name in ("win2008r2", "win2016")} == {
        "win2008r2": "ehci",
        "win2016": "xhci",
    }


def test_an_own_answer_file_is_used_as_it_is():
    assert text_of(own="<unattend/>") == "<unattend/>"


def test_values_cannot_write_xml():
    evil = "x</Organization><Evil/>&amp;"
    tree = tree_of(options={"organization": evil, "edition": evil})
    assert values(tree, "Organization") == [evil]
    assert values(tree, "Evil") == []


def test_orders_count_from_one_in_every_list():
    for system, firmware in EVERY:
        tree = tree_of(system, firmware=firmware)
        for parent in tree.iter():
            numbers = [
                int(one.findtext("u:Order", namespaces=NS)) for one in parent if one.find("u:Order", NS) is not None
            ]
            assert numbers == list(itertools.islice(itertools.count(1), len(numbers)))


def test_a_keyboard_of_linux_is_refused_unless_windows_own_name_is_there_too():
    with pytest.raises(RecipeError) as refused:
        answer(guest={"keyboard": "de"})
    assert any("'de' is a name of Linux; options.input_locale takes" in fault for fault in refused.value.details)
    assert answer(guest={"keyboard": "de"}, options={"input_locale": "de-DE"})
