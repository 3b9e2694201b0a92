"""The seed ISO and the seed archive, read by other programs than the ones that wrote them."""

import os
import re
import subprocess

import pytest

from imgpipe.adapters.iso import open_iso
from imgpipe.adapters.seed_iso import write_seed
from imgpipe.media.cpio import archive
from imgpipe.media.label import escape

pytestmark = pytest.mark.programs

FILES = {
    "ks-rocky10.cfg": b"text\ncdrom\n" + b"# a long kickstart\n" * 400,
    "user-data": b"#cloud-config\n",
    "meta-data": b"",
    "a-rather-long-name-of-an-answer-file.for-one-host.cfg": b"x",
    "late.sh": b"#!/bin/sh\n",
}


def run(*argv):
    done = subprocess.run(argv, capture_output=True, timeout=120, check=True, env={**os.environ, "LC_ALL": "C.UTF-8"})
    return done.stdout


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    path = tmp_path_factory.mktemp("ours") / "seed.iso"
    write_seed(path, "ks", FILES)
    return path


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("theirs")
    (folder / "tree").mkdir()
    for name, data in FILES.items():
        (folder / "tree" / name).write_bytes(data)
    path = folder / "ks.iso"
    run("genisoimage", "-quiet", "-output", path, "-volid", "ks", "-joliet", "-rock", folder / "tree")
    return path


def tree_by_isoinfo(path, names):
    return sorted(run("isoinfo", "-i", path, names, "-f").decode().split())


def by_xorriso(path, *commands):
    return run("xorriso", "-no_rc", "-report_about", "WARNING", "-indev", f"stdio:{path}", *commands)


@pytest.mark.parametrize("names", ["-J", "-R"])
def test_isoinfo_reads_the_same_tree_as_in_genisoimage_s(ours, theirs, names):
    assert tree_by_isoinfo(ours, names) == tree_by_isoinfo(theirs, names)
    assert tree_by_isoinfo(ours, names) == sorted(f"/{name}" for name in FILES)


@pytest.mark.parametrize("names", ["-J", "-R"])
def test_isoinfo_reads_every_file_s_content(ours, names):
    assert {name: run("isoinfo", "-i", ours, names, "-x", f"/{name}") for name in FILES} == FILES


def test_xorriso_reads_the_same_tree_as_in_genisoimage_s(ours, theirs):
    def tree(path):
        return sorted(by_xorriso(path, "-find", "/", "-type", "f").decode().split())

    assert tree(ours) == tree(theirs) == sorted(f"'/{name}'" for name in FILES)


def test_xorriso_extracts_the_same_contents(ours, tmp_path):
    by_xorriso(ours, "-osirrox", "on", "-extract", "/", tmp_path / "out")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == FILES
    assert (tmp_path / "out" / "late.sh").stat().st_mode & 0o777 == 0o500
    assert (tmp_path / "out" / "user-data").stat().st_mode & 0o777 == 0o400


def test_volume_ids_and_extensions_equal_genisoimage_s(ours, theirs):
    def described(path):
        lines = run("isoinfo", "-d", "-i", path).decode().splitlines()
        return [line for line in lines if re.match(r"Volume id|Joliet|Rock Ridge|Logical block size", line)]

    assert described(ours) == described(theirs)
    assert "Volume id: ks" in described(ours)


@pytest.mark.parametrize("label", ["ks", "CIDATA", "Rocky 9.6 x86", "a+b:c=d"])
def test_blkid_finds_the_label_that_the_kernel_arguments_name(tmp_path, label):
    write_seed(tmp_path / "seed.iso", label, {"a": b"b"})
    told = dict(
        line.split("=", 1)
        for line in run("blkid", "--probe", "--output", "udev", tmp_path / "seed.iso").decode().splitlines()
    )
    assert told["ID_FS_LABEL_ENC"] == escape(label)
    assert told["ID_FS_TYPE"] == "iso9660"


@pytest.mark.parametrize("label", ["Rocky-10-1-x86_64-dvd", "Debian 13.1.0 amd64 n", "CCCOMA_X64FRE_EN-US_DV9"])
def test_blkid_finds_a_medium_by_the_volume_id_that_we_read(tmp_path, label):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/a").touch()
    run("genisoimage", "-quiet", "-joliet", "-rock", "-volid", label, "-output", tmp_path / "m.iso", tmp_path / "tree")
    told = run("blkid", "--probe", "--output", "udev", tmp_path / "m.iso").decode().splitlines()
    with open_iso(tmp_path / "m.iso") as medium:
        assert f"ID_FS_LABEL_ENC={escape(medium.volume_id)}" in told


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (["-rock", "-joliet"], "rr_path"),
        (["-joliet"], "joliet_path"),
        (["-iso-level", "1"], "iso_path"),
        (["-udf"], "udf_path"),
    ],
)
def test_media_with_every_kind_of_names_are_read(tmp_path, options, names):
    (tmp_path / "tree/images/pxeboot").mkdir(parents=True)
    (tmp_path / "tree/images/pxeboot/vmlinuz").write_bytes(b"kernel" * 1000)
    (tmp_path / "tree/images/pxeboot/initrd.img").write_bytes(b"initrd")
    run("genisoimage", "-quiet", *options, "-volid", "M", "-output", tmp_path / "m.iso", tmp_path / "tree")
    with open_iso(tmp_path / "m.iso") as medium:
        assert medium._names == names
        assert medium.volume_id == "M"
        assert medium.read("images/pxeboot/vmlinuz") == b"kernel" * 1000
        assert [path.lower() for path in medium.glob("images/*/initrd*")] == ["images/pxeboot/initrd.img"]


def test_cpio_unpacks_the_archive_with_its_modes(tmp_path):
    files = {"preseed.cfg": b"d-i x y z\n", "late.sh": b"#!/bin/sh\n", "empty": b""}
    (tmp_path / "added").write_bytes(archive(files))
    (tmp_path / "root").mkdir()
    run("sh", "-c", 'cd "$1" && exec cpio --extract --quiet <"$2"', "sh", tmp_path / "root", tmp_path / "added")
    assert {path.name: path.read_bytes() for path in (tmp_path / "root").iterdir()} == files
    assert (tmp_path / "root/late.sh").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "root/preseed.cfg").stat().st_mode & 0o777 == 0o600
