import configparser

import pytest

from imgpipe.errors import HostError
from imgpipe.host.debian_mirror import Mirror
from imgpipe.media import debian_root
from imgpipe_demo import medium, tree


def test_treeinfo_says_plainly_what_the_medium_is():
    parsed = configparser.ConfigParser()
    parsed.read_string(tree.treeinfo({tree.KERNEL: "ab"}, 1700000000))
    assert parsed["general"]["family"] == "imgpipe stand-in"
    assert parsed["release"]["short"] == "imgpipe-standin"
    assert parsed["images-x86_64"]["kernel"] == "images/pxeboot/vmlinuz"
    assert parsed["images-x86_64"]["initrd"] == "images/pxeboot/initrd.img"
    assert parsed["stage2"]["mainimage"] == "images/install.img"
    assert parsed["checksums"][tree.KERNEL] == "sha256:ab"


def test_discinfo_names_the_architecture_in_its_third_line():
    assert tree.discinfo(1700000000).splitlines()[2] == "x86_64"


def test_the_volume_id_fits_an_iso():
    assert tree.VOLUME_ID == "imgpipe-standin-1-x86_64"
    assert len(tree.VOLUME_ID) <= 32


def test_the_fingerprint_changes_with_the_program_and_only_then(monkeypatch, tmp_path):
    before = medium.fingerprint()
    assert before == medium.fingerprint()
    changed = tmp_path / "init"
    changed.write_text("#!/bin/sh\n")
    kit = list(medium._kit())
    monkeypatch.setattr(medium, "_kit", lambda: [("init", changed), *kit[1:]])
    assert medium.fingerprint() != before


def test_a_missing_program_is_named_and_leaves_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(medium.process, "is_installed", lambda name: name != "xorriso")
    with pytest.raises(HostError, match="'xorriso'"):
        medium.make(tmp_path / "media" / "standin.iso", lambda _line: None)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Let every program be there, and set what happens instead of one."""
    monkeypatch.setattr(medium.process, "is_installed", lambda _name: True)
    (tmp_path / "keyring.gpg").touch()
    monkeypatch.setattr(debian_root, "KEYRING", tmp_path / "keyring.gpg")
    monkeypatch.setattr(debian_root.debian_mirror, "of_host", lambda: Mirror(protocol="http", host="h", directory="/d"))
    return lambda instead: monkeypatch.setattr(medium.process, "run", instead)


def test_a_failed_build_leaves_nothing(run, tmp_path):
    def refuse(*argv, **options):
        raise HostError("no")

    run(refuse)
    with pytest.raises(HostError):
        medium.make(tmp_path / "media" / "standin.iso", lambda _line: None)
    assert not list((tmp_path / "media").iterdir())


def test_a_mirror_in_the_middle_of_an_update_is_told_as_that(run, tmp_path):
    def refuse(program, *argv, **options):
        if program == "mmdebstrap":
            raise HostError("exit code 25", details=("Mirror sync in progress?",))

    run(refuse)
    with pytest.raises(HostError, match="is being updated") as caught:
        medium.make(tmp_path / "media" / "standin.iso", lambda _line: None)
    assert caught.value.details == ("Mirror sync in progress?",)
