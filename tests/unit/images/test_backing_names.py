import os
import struct

import pytest

from imgpipe.adapters.image_headers import backing_of
from imgpipe.images.users import overlays_in


def overlay(path, name, offset=104):
    head = struct.pack(">4sIQI", b"QFI\xfb", 3, offset, len(name))
    path.write_bytes(head.ljust(offset, b"\0") + name.encode())
    return path


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("/images/golden.qcow2", "/images/golden.qcow2"),
        ("/images/a:b.qcow2", "/images/a:b.qcow2"),
        ("file:/images/golden.qcow2", "/images/golden.qcow2"),
        ('json:{"file":{"filename":"/images/golden.qcow2"}}', "/images/golden.qcow2"),
        ('json:{"driver":"qcow2","file.filename":"/images/golden.qcow2"}', "/images/golden.qcow2"),
    ],
)
def test_the_backing_file_is_read_from_the_header(tmp_path, name, expected):
    assert str(backing_of(overlay(tmp_path / "x.qcow2", name))) == expected


@pytest.mark.parametrize(
    "name", ["nbd://host/disk", "json:{", "json:[]", 'json:{"file":{"file":3}}', "json:" + "[" * 1018]
)
def test_what_is_on_no_local_disk_backs_nothing_here(tmp_path, name):
    assert backing_of(overlay(tmp_path / "x.qcow2", name)) is None


@pytest.mark.parametrize("data", [b"", b"QFI\xfb", b"\0" * 512, b"QFI\xfb\0\0\0\3" + b"\xff" * 12, b"#!/bin/sh\n" * 10])
def test_other_and_damaged_files_are_passed_over(tmp_path, data):
    path = tmp_path / "x"
    path.write_bytes(data)
    assert backing_of(path) is None


def test_chains_that_bite_their_own_tail_end(tmp_path):
    first = overlay(tmp_path / "a.qcow2", str(tmp_path / "b.qcow2"))
    second = overlay(tmp_path / "b.qcow2", str(tmp_path / "a.qcow2"))
    assert overlays_in([tmp_path])(first) == (str(first), str(second))


def test_overlays_are_found_by_the_real_path_of_what_backs_them(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "images")
    (tmp_path / "machines").mkdir()
    clone = overlay(tmp_path / "machines" / "web1.qcow2", str(tmp_path / "link" / "golden.qcow2"))
    assert overlays_in([tmp_path / "machines"])(tmp_path / "images" / "golden.qcow2") == (str(clone),)


def test_a_disk_that_is_a_fifo_is_not_waited_for(tmp_path):
    fifo = tmp_path / "disk"
    os.mkfifo(fifo)
    with pytest.raises(OSError, match="no regular file"):
        backing_of(fifo)


def test_an_overlay_of_the_old_format_qed_has_its_base_too(tmp_path):
    name = b"golden.qcow2"
    head = b"QED\0" + struct.pack("<III", 65536, 4, 1) + struct.pack("<QQQQQ", 1, 0, 0, 65536, 2**20)
    (tmp_path / "x.qed").write_bytes(head + struct.pack("<II", 64, len(name)) + name)
    assert backing_of(tmp_path / "x.qed") == tmp_path / "golden.qcow2"
    (tmp_path / "x.qed").write_bytes(head + struct.pack("<II", 0, 0))
    assert backing_of(tmp_path / "x.qed") is None
