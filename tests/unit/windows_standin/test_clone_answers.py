"""Where the stand-in looks for a clone's answer file, in Windows' order."""

import pytest

from imgpipe.deploy.wanted import Identity
from imgpipe.os_family import Personalise
from imgpipe_windows.clones import CD_FILE, personalise_files
from imgpipe_windows_standin.installer import specialize
from imgpipe_windows_standin.installer.logs import PantherLog

NAME = CD_FILE.removeprefix("/")


@pytest.fixture
def panther(tmp_path, monkeypatch):
    """Return the folder Panther, in which nothing is; beside it are two CDs, 'D' and 'E'."""
    roots = {letter: tmp_path / letter for letter in "DE"}
    for root in roots.values():
        root.mkdir()
    monkeypatch.setattr(specialize.windows, "ANSWERS", tmp_path / "unattend.xml")
    monkeypatch.setattr(specialize.discs, "mount_all", lambda: roots)
    return tmp_path


def put(path, host):
    """Write what a clone of this name is given."""
    identity = Identity(hostname=host, nics=(), password="Good-pass-1")
    (step,) = personalise_files(identity, Personalise(way="unattend-cd", network="none"))
    path.write_text(step.content)


def name(panther, phase="specialize"):
    answers = specialize.find_answers(phase, PantherLog(panther / "log"))
    return answers and answers.computer_name


def test_without_a_file_in_panther_the_first_cd_that_has_one_tells_the_name(panther):
    assert name(panther) is None
    put(panther / "E" / NAME, "second")
    assert name(panther) == "SECOND"
    put(panther / "D" / NAME, "first")
    assert name(panther) == name(panther, "oobeSystem") == "FIRST"


def test_a_file_in_panther_wins_over_every_cd(panther):
    put(panther / "D" / NAME, "first")
    put(panther / "unattend.xml", "cached")
    assert name(panther) == "CACHED"


def test_a_file_that_says_nothing_of_a_pass_is_passed_over(panther):
    put(panther / "D" / NAME, "first")
    (panther / "unattend.xml").write_text('<unattend xmlns="urn:schemas-microsoft-com:unattend"/>')
    assert name(panther) == "FIRST"
