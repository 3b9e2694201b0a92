import xml.etree.ElementTree as ET

import pytest

import setup_stand_in
from imgpipe_windows_standin.installer.answers import AnswerError, Answers, Create, Modify, Secret, read_answers


def parsed(text):
    return Answers(ET.fromstring(text))


def test_an_answer_file_is_read_as_setup_reads_it():
    answers = parsed(setup_stand_in.answers())
    assert answers.ui_language == "en-US"
    assert answers.accepts_eula
    assert answers.image == ("/IMAGE/NAME", "Windows Server 2016 SERVERSTANDARD")
    assert answers.install_to == 2
    assert answers.computer_name == "GOLDEN"
    assert answers.time_zone == "China Standard Time"
    assert answers.first_commands[0].endswith(r"call %D:\imgpipe\first.cmd")


def test_the_partitions_come_in_their_order():
    creates, modifies = parsed(setup_stand_in.answers(uefi=True)).partitions
    assert creates == (Create(kind="efi", size=100), Create(kind="msr", size=16), Create(kind="primary", size=None))
    assert modifies[1] == Modify(number=3, format="ntfs", label="Windows")


def test_a_password_is_decoded_for_its_place():
    answers = parsed(setup_stand_in.answers())
    assert answers.administrator_password.decode() == setup_stand_in.PASSWORD
    assert answers.logon_password.decode() == setup_stand_in.PASSWORD


def test_the_published_encoding_of_a_password_is_understood():
    # Microsoft's own sample: the password is "pw", its place is "AdministratorPassword".
    value = "cAB3AEEAZABtAGkAbgBpAHMAdAByAGEAdABvAHIAUABhAHMAcwB3AG8AcgBkAA=="
    assert Secret(value=value, plain=False, suffix="AdministratorPassword").decode() == "pw"


def test_a_password_encoded_for_another_place_is_refused():
    answers = parsed(setup_stand_in.answers(suffix="AdministratorPasswordX"))
    with pytest.raises(AnswerError, match="'Password'"):
        answers.logon_password.decode()


def test_a_password_that_is_no_base64_is_refused():
    with pytest.raises(AnswerError, match="base64"):
        Secret(value="secret!", plain=False, suffix="Password").decode()


def test_a_component_of_another_architecture_is_not_seen():
    text = setup_stand_in.answers().replace('processorArchitecture="amd64"', 'processorArchitecture="x86"')
    assert parsed(text).image == ("", "")


def test_another_namespace_is_no_answer_file():
    with pytest.raises(AnswerError, match="namespace"):
        parsed('<unattend xmlns="urn:other"/>')


def test_what_is_no_xml_is_said_with_its_place(tmp_path):
    path = tmp_path / "autounattend.xml"
    path.write_text("<unattend")
    with pytest.raises(AnswerError, match="line 1"):
        read_answers(path)


@pytest.mark.parametrize("name", ["SIXTEEN-LETTERS-", "12345", "bad name", "a.b"])
def test_a_computer_name_windows_refuses_is_refused(name):
    text = setup_stand_in.answers().replace("GOLDEN", name)
    with pytest.raises(AnswerError, match="computer name"):
        assert parsed(text).computer_name


def test_orders_with_a_gap_are_refused():
    text = setup_stand_in.answers().replace("<Order>2</Order><Type>", "<Order>3</Order><Type>")
    with pytest.raises(AnswerError, match="orders"):
        assert parsed(text).partitions


def test_a_pass_without_settings_is_looked_for_elsewhere():
    text = setup_stand_in.answers()
    assert parsed(text).has_settings("windowsPE")
    assert not parsed(text).has_settings("generalize")
