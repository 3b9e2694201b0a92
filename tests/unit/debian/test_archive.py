"""What apt says of a mirror, and what becomes of it."""

import pytest

from imgpipe.errors import HostError
from imgpipe.host.debian_mirror import Mirror
from imgpipe_debian import archive

MIRROR = Mirror(protocol="http", host="mirror.example", directory="/debian")


def failing(line):
    def run(*argv, **options):
        raise HostError("The program 'apt-get' failed with exit code 100.", details=("command: apt-get", line))

    return run


@pytest.mark.parametrize(
    "line",
    [
        "E: Failed to fetch Packages.xz  File has unexpected size (2 != 1). Mirror sync in progress?",
        "Hash Sum mismatch",
    ],
)
def test_a_mirror_in_the_middle_of_an_update_is_told_as_that(monkeypatch, tmp_path, line):
    (tmp_path / "keyring").touch()
    monkeypatch.setattr(archive, "KEYRING", tmp_path / "keyring")
    monkeypatch.setattr(archive.process, "run", failing(line))
    with pytest.raises(HostError, match="is being updated") as caught:
        archive.open_archive(MIRROR, "trixie", tmp_path / "apt")
    assert line in caught.value.details
    assert "IMGPIPE_DEBIAN_MIRROR" in caught.value.hint


def test_any_other_failure_is_told_as_apt_tells_it(monkeypatch, tmp_path):
    (tmp_path / "keyring").touch()
    monkeypatch.setattr(archive, "KEYRING", tmp_path / "keyring")
    monkeypatch.setattr(archive.process, "run", failing("E: Could not resolve 'mirror.example'"))
    with pytest.raises(HostError, match="exit code 100"):
        archive.open_archive(MIRROR, "trixie", tmp_path / "apt")
