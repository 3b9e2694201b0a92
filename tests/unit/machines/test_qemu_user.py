import os
import pwd
from xml.etree import ElementTree as ET

import pytest

from imgpipe.adapters import qemu_user
from imgpipe.adapters.qemu_user import first_closed_folder, run_as_root_if_needed

NOBODY = pwd.getpwnam("nobody")


@pytest.fixture
def heard():
    return []


@pytest.fixture
def file(tmp_path):
    folder = tmp_path / "closed" / "open"
    folder.mkdir(parents=True)
    for path in (folder, *folder.parents):
        if path.stat().st_uid == os.geteuid() and path != path.parent and tmp_path.parent in path.parents:
            path.chmod(0o755)
    return folder / "disk.qcow2"


def xml_of(file):
    return f"<domain><devices><disk><source file='{file}'/></disk></devices></domain>"


def test_a_closed_folder_is_found_and_named(file, tmp_path):
    (tmp_path / "closed").chmod(0o700)
    closed = first_closed_folder([file], NOBODY)
    assert closed is not None
    assert closed == tmp_path / "closed" or closed in tmp_path.parents or closed == tmp_path


def test_a_folder_that_may_be_passed_through_is_open():
    assert first_closed_folder([qemu_user.Path("/usr/share/x")], NOBODY) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can ask for another label")
def test_a_machine_whose_files_are_out_of_reach_runs_as_root_and_says_so(file, tmp_path, heard, monkeypatch):
    (tmp_path / "closed").chmod(0o700)
    monkeypatch.setattr(qemu_user, "qemu_user", lambda: NOBODY)
    label = ET.fromstring(run_as_root_if_needed(xml_of(file), heard.append)).find("seclabel")
    assert (label.get("model"), label.findtext("label")) == ("dac", "+0:+0")
    assert "nobody" in heard[0].text


def test_a_machine_within_reach_stays_as_it_is(heard, monkeypatch):
    monkeypatch.setattr(qemu_user, "qemu_user", lambda: NOBODY)
    xml = xml_of("/usr/share/disk.qcow2")
    assert run_as_root_if_needed(xml, heard.append) == xml
    assert heard == []
