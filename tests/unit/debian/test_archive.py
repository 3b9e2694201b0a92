"""What apt says of a mirror, and what becomes of it."""

import pytest

from imgpipe.errors import HostError
from imgpipe.host.debian_mirror import Mirror
from imgpipe_debian import archive

MIRROR = Mirror(protocol="http", host="mirror.example", directory="/debian")
TORN = "E: Failed to fetch Packages.xz  File has unexpected size (2 != 1). Mirror sync in progress?"


@pytest.fixture
def apt(monkeypatch, tmp_path):
    """Make apt say what is set for a suite's name: a line of failure, or the codename that was signed."""
    (tmp_path / "keyring").touch()
    monkeypatch.setattr(archive, "KEYRING", tmp_path / "keyring")
    failures, codenames = {}, {}

    def run(*argv, **options):
        (name,) = {line.split()[4] for line in (argv[3].parent / "sources.list").read_text().splitlines()}
        if name not in codenames:
            raise HostError("The program 'apt-get' failed with exit code 100.", details=("apt-get", failures[name]))
        return f"{codenames[name]}\n" * 2 if "indextargets" in argv else ""

    monkeypatch.setattr(archive.process, "run", run)
    return failures, codenames


def opened(folder, told=None):
    return archive.open_archive(MIRROR, "trixie", folder / "apt", (told if told is not None else []).append)


def test_a_whole_mirror_is_read_by_the_codename(apt, tmp_path):
    apt[1]["trixie"] = "trixie"
    told = []
    assert opened(tmp_path, told).folder.name == "trixie"
    assert told == []


@pytest.mark.parametrize("line", [TORN, "Hash Sum mismatch"])
def test_a_mirror_in_the_middle_of_an_update_is_told_as_that(apt, tmp_path, line):
    apt[0].update(trixie=line, stable=TORN, oldstable="E: The repository does not have a Release file.")
    with pytest.raises(HostError, match="is being updated") as caught:
        opened(tmp_path)
    assert line in caught.value.details
    assert "IMGPIPE_DEBIAN_MIRROR" in caught.value.hint


@pytest.mark.parametrize("name", ["stable", "oldstable"])
def test_a_torn_suite_is_read_by_the_name_under_which_it_is_whole(apt, tmp_path, name):
    apt[0].update(trixie=TORN, stable=TORN, oldstable=TORN)
    apt[1][name] = "trixie"
    told = []
    assert opened(tmp_path, told).folder.name == name
    assert told == [f"The mirror's 'trixie' is being updated; the same release is read as '{name}'"]


def test_another_release_does_not_stand_in_for_a_torn_one(apt, tmp_path):
    apt[0]["trixie"] = TORN
    apt[1].update(stable="forky", oldstable="bookworm")
    with pytest.raises(HostError, match="is being updated"):
        opened(tmp_path)


def test_any_other_failure_is_told_as_apt_tells_it(apt, tmp_path):
    apt[0]["trixie"] = "E: Could not resolve 'mirror.example'"
    apt[1]["stable"] = "trixie"
    with pytest.raises(HostError, match="exit code 100"):
        opened(tmp_path)


def test_a_package_that_is_listed_but_not_there_is_told_as_a_mirror_that_is_not_whole(apt, tmp_path):
    apt[1]["trixie"] = "trixie"
    packages = opened(tmp_path)
    apt[1].clear()
    apt[0]["trixie"] = "E: Failed to fetch partman-efi_101_amd64.udeb  404  Not Found [IP: 192.0.2.1 80]"
    with pytest.raises(HostError, match="is not whole"):
        packages.download(["partman-efi"], tmp_path / "udebs")


def test_a_suite_that_a_mirror_does_not_have_is_told_as_apt_tells_it(apt, tmp_path):
    apt[0]["trixie"] = "Err:1 trixie Release 404  Not Found"
    with pytest.raises(HostError, match="exit code 100"):
        opened(tmp_path)
