"""Which UEFI builds a host has, by the descriptors of QEMU's docs/interop/firmware.json, hostile ones too."""

import json
from pathlib import Path

import pytest

from imgpipe.adapters.firmware_files import installed, plain_files, secure_files
from imgpipe.domain_features import FirmwareFiles


@pytest.fixture
def etc(tmp_path):
    return folder(tmp_path / "etc")


@pytest.fixture
def usr(tmp_path):
    return folder(tmp_path / "usr")


def folder(path):
    path.mkdir()
    for name in ("CODE", "CODE.secure", "VARS", "VARS.secure"):
        (path / f"{name}.fd").touch()
    return path


def describe(place, name, *features, secure=False, form="raw", machine="pc-q35-*", **mapping):
    end = ".secure.fd" if secure else ".fd"
    files = {
        "device": "flash",
        "executable": {"filename": str(place / f"CODE{end}"), "format": form},
        "nvram-template": {"filename": str(place / f"VARS{end}"), "format": form},
        **mapping,
    }
    told = {
        "interface-types": ["uefi"],
        "features": features,
        "targets": [{"architecture": "x86_64", "machines": [machine]}],
        "mapping": files,
    }
    (place / f"{name}.json").write_text(json.dumps(told))


UNKNOWN = FirmwareFiles(code=Path("/none/CODE.fd"), variables=Path("/none/VARS.fd"))
SECURE = ("secure-boot", "enrolled-keys", "requires-smm")


def test_each_kind_is_found_and_the_first_by_name_is_taken(etc, usr):
    describe(usr, "50-plain")
    describe(usr, "60-plain", secure=True)
    describe(usr, "40-secure", *SECURE, secure=True)
    found = installed((etc, usr))
    assert plain_files(found) == FirmwareFiles(code=usr / "CODE.fd", variables=usr / "VARS.fd")
    assert secure_files(found) == FirmwareFiles(code=usr / "CODE.secure.fd", variables=usr / "VARS.secure.fd")


def test_the_administrators_file_stands_for_the_distributions(etc, usr):
    describe(usr, "50-plain")
    describe(etc, "50-plain", secure=True)
    assert plain_files(installed((etc, usr))).code == etc / "CODE.secure.fd"
    (etc / "50-plain.json").write_text("")
    assert installed((etc, usr), UNKNOWN) == ()


@pytest.mark.parametrize(
    "more",
    [
        {"form": "qcow2"},
        {"device": "memory", "filename": "/dev/null"},
        {"mode": "stateless"},
        {"mode": "combined"},
    ],
    ids=str,
)
def test_what_a_definition_cannot_name_is_there_and_not_named(etc, usr, more):
    if "filename" in more:
        more = {"device": "memory", "filename": str(usr / "CODE.fd")}
    describe(usr, "50-plain", **more)
    (found,) = installed((etc, usr), UNKNOWN)
    assert found.plain
    assert plain_files([found]) is None


@pytest.mark.parametrize(
    ("features", "plain", "secure"),
    [
        ((), True, False),
        (("requires-smm",), False, False),
        (("secure-boot", "requires-smm"), False, False),
        (("secure-boot", "enrolled-keys"), False, False),
        (SECURE, False, True),
    ],
)
def test_keys_that_nothing_guards_are_no_secure_boot(etc, usr, features, plain, secure):
    describe(usr, "50", *features)
    found = installed((etc, usr), UNKNOWN)
    assert (plain_files(found) is not None, secure_files(found) is not None) == (plain, secure)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "[" * 100_000,
        '{"mapping": []}',
        '{"mapping": {"executable": [], "nvram-template": []}, "targets": [], "features": [], "interface-types": []}',
        '{"mapping": {"executable": {"filename": 5}}, "targets": [], "features": [], "interface-types": ["uefi"]}',
        '{"mapping": {"filename": "/x"}, "targets": [{"architecture": "x86_64", "machines": 7}], "features": [],'
        ' "interface-types": ["uefi"]}',
    ],
    ids=range(8),
)
def test_a_damaged_descriptor_describes_nothing(etc, usr, text):
    (usr / "10.json").write_text(text)
    assert installed((etc, usr), UNKNOWN) == ()


def test_a_descriptor_for_other_machines_or_without_its_files_describes_nothing(etc, usr):
    describe(usr, "50-plain", machine="pc-i440fx-*")
    assert installed((etc, usr), UNKNOWN) == ()
    describe(usr, "50-plain")
    (usr / "VARS.fd").unlink()
    assert installed((etc, usr), UNKNOWN) == ()


def test_a_build_that_comes_without_descriptors_counts_where_there_are_none(etc, usr):
    undescribed = FirmwareFiles(code=etc / "CODE.fd", variables=etc / "VARS.fd")
    assert plain_files(installed((usr,), undescribed)) == undescribed
    assert secure_files(installed((usr,), undescribed)) is None
    describe(usr, "40-secure", *SECURE, secure=True)
    assert plain_files(installed((usr,), undescribed)) is None
    (etc / "VARS.fd").unlink()
    (usr / "40-secure.json").unlink()
    assert installed((usr,), undescribed) == ()
