"""Which foreign disks may be read; the images are written byte by byte, no program runs."""

import struct

import pytest

from imgpipe.disk_source import check_source
from imgpipe.errors import RecipeError

MBR = b"\0" * 510 + b"\x55\xaa" + b"\0" * 512


def qcow2(path, backing="", backing_format="qcow2", features=0, version=3):
    """Write a qcow2 header as docs/interop/qcow2.rst of QEMU describes it."""
    extensions = b""
    if backing_format:
        padded = backing_format.encode().ljust((len(backing_format) + 7) // 8 * 8, b"\0")
        extensions += struct.pack(">II", 0xE2792ACA, len(backing_format)) + padded
    extensions += struct.pack(">II", 0, 0)
    length = 104 if version == 3 else 72
    offset = length + len(extensions) if backing else 0
    head = b"QFI\xfb" + struct.pack(">IQIIQIIQQIIQ", version, offset, len(backing), 16, 2**30, 0, 0, 0, 0, 0, 0, 0)
    if version == 3:
        head += struct.pack(">QQQII", features, 0, 0, 4, 104)
    path.write_bytes(head + extensions + backing.encode())
    return path


def test_a_plain_qcow2_and_a_raw_disk_with_a_partition_table_are_taken(tmp_path):
    (tmp_path / "raw.img").write_bytes(MBR)
    assert check_source(qcow2(tmp_path / "a.qcow2")) == "qcow2"
    assert check_source(qcow2(tmp_path / "b.qcow2", version=2)) == "qcow2"
    assert check_source(tmp_path / "raw.img") == "raw"


def test_backing_files_beside_the_disk_and_below_a_trusted_folder_are_taken(tmp_path):
    (tmp_path / "images").mkdir()
    base = qcow2(tmp_path / "images" / "golden.qcow2")
    (tmp_path / "vm").mkdir()
    qcow2(tmp_path / "vm" / "middle.qcow2", backing=str(base))
    top = qcow2(tmp_path / "vm" / "top.qcow2", backing="middle.qcow2")
    assert check_source(top, trusted=(tmp_path / "images",)) == "qcow2"


@pytest.mark.parametrize(
    ("backing", "form", "reason"),
    [
        ("/etc/shadow", "raw", "elsewhere, '/etc/shadow'"),
        ("../outside.img", "raw", "elsewhere"),
        ('json:{"driver":"nbd"}', "raw", "not a plain path"),
        ("nbd://localhost/x", "raw", "not a plain path"),
        ("base.img", "", "does not say the format"),
        ("base.img", "vmdk", "does not say the format"),
        ("base.img", "qcow2", "but it is raw"),
    ],
)
def test_a_backing_file_that_could_be_anything_is_refused(tmp_path, backing, form, reason):
    folder = tmp_path / "vm"
    folder.mkdir()
    for name in (tmp_path / "outside.img", folder / "base.img"):
        name.write_bytes(MBR)
    disk = qcow2(folder / "disk.qcow2", backing=backing, backing_format=form)
    with pytest.raises(RecipeError, match=reason):
        check_source(disk)


def test_a_link_beside_the_disk_does_not_lead_out(tmp_path):
    (tmp_path / "secret.img").write_bytes(MBR)
    folder = tmp_path / "vm"
    folder.mkdir()
    (folder / "base.img").symlink_to(tmp_path / "secret.img")
    with pytest.raises(RecipeError, match="elsewhere"):
        check_source(qcow2(folder / "disk.qcow2", backing="base.img", backing_format="raw"))


def test_a_disk_with_its_data_elsewhere_is_refused(tmp_path):
    with pytest.raises(RecipeError, match="keeps its data in another file"):
        check_source(qcow2(tmp_path / "disk.qcow2", features=1 << 2))


def test_a_chain_that_does_not_end_is_refused(tmp_path):
    disk = qcow2(tmp_path / "disk.qcow2", backing="disk.qcow2")
    with pytest.raises(RecipeError, match="more than 32 backing files"):
        check_source(disk)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"KDMV" + b"\0" * 600, "format 'vmdk'"),
        (b"vhdxfile" + b"\0" * 600, "format 'vhdx'"),
        (b"root:x:0:0\n" * 100, "is no disk"),
        (b"", "is no disk"),
        (b"QFI\xfb\0\0\0\x03", "cannot be read"),
        (b"QFI\xfb" + b"\xff" * 200, "cannot be read"),
    ],
)
def test_what_is_not_a_qcow2_or_raw_disk_is_refused(tmp_path, content, reason):
    disk = tmp_path / "disk"
    disk.write_bytes(content)
    with pytest.raises(RecipeError, match=reason):
        check_source(disk)


def test_a_missing_disk_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(RecipeError, match="There is no disk image"):
            check_source(path)
