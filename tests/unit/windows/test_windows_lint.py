"""Lint of unattend files: each fault that it knows, with its line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from windows_orders import text_of

from imgpipe_windows.answer.password import ANY_OTHER, encoded
from imgpipe_windows.lint import lint
from imgpipe_windows.systems import RELEASES

STATIC = {"nics": [{"name": "eth0", "address": "192.0.2.5/24", "dns": ["192.0.2.1", "192.0.2.2"]}]}


def faults(text, system="win2016", firmware="bios"):
    return lint(text, RELEASES[system].system, firmware)


def changed(old, new, system="win2016", firmware="bios", count=1):
    """Return the faults of a good file with one thing changed, and the line of the change."""
    text = text_of(system, firmware=firmware, **STATIC)
    assert old in text
    line = text[: text.index(old)].count("\n") + 1
    return faults(text.replace(old, new, count), system, firmware), line


TOKEN = 'publicKeyToken="31bf3856ad364e35"'
END = "</PartitionID>\n          </InstallTo>"
CHANGES = {
    "namespace": ('<SetupUILanguage>', '<SetupUILanguage xmlns="urn:x">', "not of the namespace"),
    "pass": ('pass="specialize"', 'pass="special"', "there is no pass 'special'"),
    "twice": ('pass="oobeSystem"', 'pass="specialize"', "a second time"),
    "architecture": ('processorArchitecture="amd64"', 'processorArchitecture="x86"', "must be 'amd64'"),
    "token": (f" {TOKEN}", "", "'publicKeyToken' of 'Microsoft-Windows-International-Core-WinPE' is missing"),
    "component's pass": ("International-Core-WinPE", "PnpSysprep", "no settings in the pass 'windowsPE'"),
    "action": (' wcm:action="add"', "", 'needs wcm:action="add"'),
    "order twice": ("<Order>2</Order>", "<Order>1</Order>", "have the Order 1"),
    "order too great": ("<Order>2</Order>", "<Order>501</Order>", "a number of 1 to 500"),
    "order of letters": ("<Order>2</Order>", "<Order>two</Order>", "a number of 1 to 500"),
    "another disk": ("<DiskID>0</DiskID>", "<DiskID>1</DiskID>", "no disk '1'"),
    "zone": ("UTC</TimeZone>", "Asia/Shanghai</TimeZone>", "no time zone 'Asia/Shanghai'"),
    "name": ("<ComputerName>*", "<ComputerName>a-name-much-too-long", "longer than 15"),
    "name's characters": ("<ComputerName>*", "<ComputerName>a_b.c", "must not contain '.'"),
    "name of digits": ("<ComputerName>*", "<ComputerName>123", "digits alone"),
    "path": ("<Path>", "<Path>" + "x" * 300, "259 characters at most"),
    "command": ("<CommandLine>", "<CommandLine>" + "x" * 1100, "1024 characters at most"),
    "key": ("<Key>WC2BQ-", "<Key>", "not the form of a product key"),
    "licence": ("<AcceptEula>true", "<AcceptEula>false", "shows the licence"),
    "target": (f"<PartitionID>2{END}", f"<PartitionID>5{END}", "the partition 5"),
    "not last": (f"<PartitionID>2{END}", f"<PartitionID>1{END}", "not the last"),
    "active": ("<Active>true</Active>", "", "none is made active"),
    "EFI on BIOS": ("<Type>Primary", "<Type>EFI", "is for UEFI"),
    "group by name": ("@FirewallAPI.dll,-28752", "Remote Desktop", "in one language alone"),
    "interface by name": ("<Identifier>52-54", "<Identifier>Ethernet 2 52-54", "not stable"),
    "two keys": ('wcm:keyValue="2"', 'wcm:keyValue="1"', "have the wcm:keyValue '1'"),
    "not well-formed": ("<settings ", "<settings", "not well-formed"),
    "prefix": ("wcm:keyValue=", "keyValue=", "is not of the namespace"),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_each_fault_is_found_at_its_line(change):
    old, new, text = CHANGES[change]
    found, line = changed(old, new)
    about = [fault for fault in found if text in fault.text]
    assert about, found
    assert abs(about[0].line - line) <= 3 or change in {"action", "active"}


PLAIN = "<PlainText>true</PlainText>"
PASSWORDS = {
    "must be encoded with 'AdministratorPassword'": lambda text: replaced_value(text, encoded("Aa-12345", ANY_OTHER)),
    "not base64": lambda text: replaced_value(text, "Correct-Horse-1"),
}


def replaced_value(text, value):
    head, _, tail = text.rpartition("<Value>")
    return f"{head}<Value>{value}{tail[tail.index('</Value>') :]}"


@pytest.mark.parametrize("fault", PASSWORDS)
def test_passwords_that_windows_cannot_decode_are_found_and_never_shown(fault):
    found = faults(PASSWORDS[fault](text_of()))
    assert [one for one in found if fault in one.text and one.severity == "error"]
    assert not any("Correct" in one.text or "Aa-1" in one.text for one in found)


def test_a_password_in_plain_text_is_a_warning_and_never_shown():
    (fault,) = faults(text_of().replace("<PlainText>false</PlainText>", PLAIN, 1))
    assert (fault.severity, "in plain text" in fault.text, "Correct" in fault.text) == ("warning", True, False)


@pytest.mark.parametrize("orders", [(2, 1), (10, 20), (500, 1)])
def test_orders_may_come_in_any_sequence_and_with_gaps(orders):
    text = text_of("win2016", firmware="bios", **STATIC)
    first, second = orders
    start = text.index("<CreatePartitions>")
    head, list_of = text[:start], text[start:]
    changed = list_of.replace("<Order>1</Order>", "<Order>A</Order>", 1).replace(
        "<Order>2</Order>", f"<Order>{second}</Order>", 1
    )
    assert faults(head + changed.replace("<Order>A</Order>", f"<Order>{first}</Order>", 1)) == ()


def test_a_password_that_setup_blanked_is_no_fault():
    assert faults(replaced_value(text_of(), "*SENSITIVE*DATA*DELETED*")) == ()


def test_what_one_system_knows_and_another_does_not_is_found():
    (fault, *rest) = faults(text_of("win2012r2", firmware="bios"), "win2008r2")
    assert "unknown to Windows Server 2008 R2" in fault.text
    assert len(rest) == 2
    assert "Windows Server alone has" in faults(text_of("win2016", firmware="uefi"), "win10", "uefi")[0].text


def test_the_disk_must_suit_the_firmware():
    assert "EFI system partition" in faults(text_of(firmware="bios"), firmware="uefi")[0].text
    assert {fault.text[:30] for fault in faults(text_of(firmware="uefi"), firmware="bios")} >= {
        "a partition of type EFI is for",
        "a partition of type MSR is for",
    }


DRIVERS = (
    '<component name="Microsoft-Windows-PnpCustomizationsWinPE" processorArchitecture="amd64" '
    'publicKeyToken="31bf3856ad364e35" language="neutral" versionScope="nonSxS"><DriverPaths>'
    '<PathAndCredentials wcm:action="add" wcm:keyValue="1"><Path>E:\\viostor</Path></PathAndCredentials>'
    '<PathAndCredentials wcm:action="add" wcm:keyValue="2"><Path>F:\\viostor</Path></PathAndCredentials>'
    "</DriverPaths></component>"
)


@pytest.mark.parametrize(("system", "severity"), [("win2016", "warning"), ("win2025", "error"), ("win11", "error")])
def test_a_drive_letter_for_drivers_is_a_guess_and_fatal_in_the_newest_setup(system, severity):
    text = text_of(system, firmware="uefi").replace('pass="windowsPE">', f'pass="windowsPE">{DRIVERS}', 1)
    found = faults(text, system, "uefi")
    assert [(fault.severity, "drive letter" in fault.text) for fault in found] == [(severity, True)] * 2
    one = text.replace("F:\\viostor", "E:\\netkvm")
    assert {fault.severity for fault in faults(one, system, "uefi")} == {"warning"}


def test_what_known_good_files_have_is_no_fault():
    text = text_of()
    other = text.replace("Microsoft-Windows-Security-SPP-UX", "microsoft-windows-security-spp-ux")
    component = '<component name="Microsoft-Windows-IE-InternetExplorer" processorArchitecture="{}" ' + DRIVERS[
        DRIVERS.index("publicKeyToken") : DRIVERS.index("<DriverPaths>")
    ] + "</component>"  # fmt: skip
    both = component.format("amd64") + component.format("wow64")
    other = other.replace('pass="specialize">', f'pass="specialize">{both}', 1)
    mark = '<cpi:offlineImage cpi:source="wim:x" xmlns:cpi="urn:schemas-microsoft-com:cpi" />'
    assert faults(other.replace("</unattend>", f"{mark}</unattend>")) == ()
    twice = text.replace('pass="specialize">', f'pass="specialize">{component.format("amd64") * 2}', 1)
    assert "a second time" in faults(twice)[0].text


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "not well-formed"),
        ("<answers/>", "the root element must be 'unattend'"),
        ('<unattend xmlns="urn:schemas-microsoft-com:unattend"/>', "Setup asks a person"),
        ('<!DOCTYPE unattend [<!ENTITY a "b">]><unattend>&a;</unattend>', "document type"),
    ],
)
def test_what_is_no_answer_file_is_told_in_a_sentence(text, fault):
    assert fault in faults(text)[0].text


def test_a_component_that_is_not_known_is_no_error():
    text = text_of().replace("Microsoft-Windows-Security-SPP-UX", "Microsoft-Windows-Of-Tomorrow")
    (fault,) = faults(text)
    assert fault.severity == "warning"


@given(st.text())
def test_lint_survives_anything(text):
    assert isinstance(faults(text), tuple)


GOOD = text_of(firmware="bios")


@given(st.integers(0, len(GOOD)), st.integers(0, 40), st.text(max_size=8))
def test_lint_survives_a_damaged_file(start, length, put_in):
    assert isinstance(faults(GOOD[:start] + put_in + GOOD[start + length :]), tuple)
