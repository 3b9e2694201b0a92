import struct

import pytest

from imgpipe_windows_standin import editions
from imgpipe_windows_standin.installer import discs, drivers, faults, first_logon, images, logs, seal
from imgpipe_windows_standin.installer.images import NoImageError

SEALING = r"%WINDIR%\System32\Sysprep\sysprep.exe /generalize /oobe /shutdown"


def driver(folder, first="; imgpipe stand-in driver for 2k16 amd64"):
    folder.mkdir(parents=True)
    for name in ("VioStor.inf", "viostor.sys", "viostor.cat"):
        (folder / name).write_text(first)


def wim(path, xml):
    data = xml.encode("utf-16")
    header = bytearray(208)
    struct.pack_into("<QQQ", header, 72, len(data) | 2 << 56, 208, len(data))
    path.write_bytes(bytes(header) + data)


def test_a_storage_driver_is_found_on_any_cd_in_any_folder(tmp_path):
    driver(tmp_path / "E" / "$winpedriver$" / "a" / "b")
    roots = {"D": tmp_path / "D", "E": tmp_path / "E"}
    (tmp_path / "D").mkdir()
    assert drivers.storage_driver(roots, {"2k16"}).name == "VioStor.inf"
    assert drivers.storage_driver({"D": tmp_path / "D"}, {"2k16"}) is None


def test_a_driver_of_another_windows_is_not_loaded(tmp_path):
    driver(tmp_path / drivers.FOLDER)
    assert drivers.storage_driver({"D": tmp_path}, {"2k25"}) is None


def test_a_driver_without_its_catalogue_is_not_loaded(tmp_path):
    driver(tmp_path / drivers.FOLDER)
    (tmp_path / drivers.FOLDER / "viostor.cat").unlink()
    assert drivers.storage_driver({"D": tmp_path}, {"2k16"}) is None


def test_a_real_driver_is_taken_as_it_is(tmp_path):
    driver(tmp_path / drivers.FOLDER, "; Copyright (c) somebody")
    assert drivers.storage_driver({"D": tmp_path}, {"2k16"}) is not None


def test_names_are_found_in_any_case_and_in_the_order_of_the_letters(tmp_path):
    for letter, name in (("D", "other"), ("E", "AutoUnattend.XML"), ("F", "autounattend.xml")):
        (tmp_path / letter).mkdir()
        (tmp_path / letter / name).touch()
    roots = {letter: tmp_path / letter for letter in "DEF"}
    assert [letter for letter, _ in discs.find_on(roots, "autounattend.xml")] == ["E", "F"]
    assert discs.find(tmp_path, "e", "autounattend.xml", "nothing") is None


def test_an_image_is_chosen_by_name_index_or_description(tmp_path):
    path = tmp_path / "install.wim"
    wim(path, '<WIM><IMAGE INDEX="1"><NAME>A</NAME></IMAGE><IMAGE INDEX="2"><NAME>B</NAME></IMAGE></WIM>')
    found = images.read_images(path)
    assert images.choose(found, "/IMAGE/NAME", "b").index == 2
    assert images.choose(found, "/IMAGE/INDEX", "1").name == "A"
    for key, value in (("/IMAGE/NAME", "C"), ("/IMAGE/DESCRIPTION", ""), ("", "")):
        with pytest.raises(NoImageError, match="'A', 'B'"):
            images.choose(found, key, value)


def test_faults_are_asked_for_by_the_images_name_or_by_a_file():
    assert faults.asked("Windows Server 2016 STANDIN FAULT NO-TAG", ()) == {"no-tag"}
    assert faults.asked("Windows Server 2016 SERVERSTANDARD", ["dialog, dirty-ntfs\n", "unknown"]) == {
        "dialog",
        "dirty-ntfs",
    }


def test_every_fault_has_an_image_and_names_are_unique():
    listed = list(editions.editions())
    names = [edition.name for edition in listed]
    assert len(set(names)) == len(names)
    assert {fault for name in names for fault in faults.asked(name, ())} == faults.NAMES
    assert names[1] == "Windows Server 2016 SERVERSTANDARD"
    assert {edition.system for edition in listed} == {
        *("win2008r2", "win2012r2", "win2016", "win2019", "win2022", "win2025", "win10", "win11"),
    }


def test_scripts_are_followed_from_the_commands_to_sysprep(tmp_path):
    (tmp_path / "first.cmd").write_text("call %~dp0last.cmd")
    (tmp_path / "last.cmd").write_text(SEALING)
    (tmp_path / "unused.cmd").write_text("shutdown")
    text = first_logon.reached((r"cmd /c D:\imgpipe\first.cmd",), tmp_path)
    assert first_logon.seals(text)
    assert not first_logon.seals(first_logon.reached((r"cmd /c D:\imgpipe\unused.cmd",), tmp_path))


def test_a_sysprep_that_does_not_generalize_seals_nothing():
    assert not first_logon.seals("sysprep.exe /oobe /shutdown")


def test_only_passwords_are_blanked():
    text = (
        "<MetaData><Value>image</Value></MetaData><Password><Value>a</Value><PlainText>false</PlainText></Password>"
        "<AdministratorPassword>\n<PlainText>true</PlainText><Value>b</Value></AdministratorPassword>"
    )
    blanked = seal.blanked(text)
    assert "<Value>image</Value>" in blanked
    assert blanked.count("*SENSITIVE*DATA*DELETED*") == 2
    assert ">a<" not in blanked
    assert ">b<" not in blanked


def test_a_log_in_utf16_starts_with_its_mark(tmp_path):
    log = logs.PantherLog(tmp_path, utf16=True)
    log.note("IBS", "one")
    log.fail("IBS", "two")
    assert (tmp_path / "setupact.log").read_bytes().startswith(b"\xff\xfe")
    assert "two" in (tmp_path / "setuperr.log").read_text(encoding="utf-16")
    assert "one" not in (tmp_path / "setuperr.log").read_text(encoding="utf-16")
    assert (tmp_path / "setupact.log").read_text(encoding="utf-16").count("\n") == 2
