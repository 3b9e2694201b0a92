"""Which foreign disks may be read; the images are written byte by byte, no program runs."""

import errno
import os
import struct

import pytest

from imgpipe import disk_source
from imgpipe.disk_source import check_source, held, of_definition
from imgpipe.errors import RecipeError

MBR = b"\0" * 510 + b"\x55\xaa" + b"\0" * 512
BACKING_FORMAT = 0xE2792ACA


def extension(kind, data):
    """Write a header extension: its type, its length, and data padded to eight bytes."""
    return struct.pack(">II", kind, len(data)) + data.ljust((len(data) + 7) // 8 * 8, b"\0")


def qcow2(path, *, backing="", backing_format="qcow2", features=0, version=3, crypt=0, cluster_bits=16, more=b"", at=0):
    """Write a qcow2 header as docs/interop/qcow2.rst of QEMU describes it; `at` is where the backing name goes."""
    extensions = more
    if backing_format:
        extensions += extension(BACKING_FORMAT, backing_format.encode())
    extensions += struct.pack(">II", 0, 0)
    length = 104 if version == 3 else 72
    offset = at or (length + len(extensions) if backing else 0)
    head = b"QFI\xfb" + struct.pack(
        ">IQIIQIIQQIIQ", version, offset, len(backing), cluster_bits, 2**30, crypt, 0, 0, 0, 0, 0, 0
    )
    if version == 3:
        head += struct.pack(">QQQII", features, 0, 0, 4, 104)
    content = head + extensions
    path.write_bytes((content.ljust(offset, b"\0") if at else content) + backing.encode())
    return path


def published(images, **header):
    """Publish an image, as far as a check looks."""
    folder = images / "rocky9" / "20260101.1"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{}")
    return qcow2(folder / "golden.qcow2", **header)


def test_a_plain_qcow2_and_a_raw_disk_with_a_partition_table_are_taken(tmp_path):
    (tmp_path / "raw.img").write_bytes(MBR)
    assert check_source(qcow2(tmp_path / "a.qcow2")).format == "qcow2"
    assert check_source(qcow2(tmp_path / "b.qcow2", version=2)).virtual_size == 2**30
    raw = check_source(tmp_path / "raw.img")
    assert (raw.format, raw.virtual_size) == ("raw", 1024)


def test_what_a_definition_says_is_believed_whatever_a_guest_wrote(tmp_path):
    disk = qcow2(tmp_path / "disk.img", backing="/etc/shadow", backing_format="raw")
    told = check_source(disk, "raw")
    assert (told.format, [layer.path for layer in told.layers]) == ("raw", [disk])
    (tmp_path / "raw.img").write_bytes(MBR)
    with pytest.raises(RecipeError, match="is no qcow2"):
        check_source(tmp_path / "raw.img", "qcow2")


def test_without_a_trusted_folder_there_is_no_backing_file_not_even_beside(tmp_path):
    qcow2(tmp_path / "base.qcow2")
    with pytest.raises(RecipeError, match="elsewhere") as told:
        check_source(qcow2(tmp_path / "top.qcow2", backing="base.qcow2"))
    assert "--trust-backing" in told.value.hint


def test_backing_files_below_a_trusted_folder_are_taken(tmp_path):
    (tmp_path / "images").mkdir()
    base = qcow2(tmp_path / "images" / "base.qcow2")
    (tmp_path / "vm").mkdir()
    middle = qcow2(tmp_path / "vm" / "middle.qcow2", backing=str(base))
    top = qcow2(tmp_path / "vm" / "top.qcow2", backing="middle.qcow2")
    found = check_source(top, trusted=(tmp_path / "images", tmp_path / "vm"))
    assert [layer.path for layer in found.layers] == [top, middle, base]
    above = qcow2(tmp_path / "vm" / "above.qcow2", backing="../images/base.qcow2")
    assert len(check_source(above, trusted=(tmp_path / "images",)).layers) == 2


def test_published_images_are_trusted_and_nothing_else_of_the_data_root(tmp_path):
    images = tmp_path / "images"
    golden = published(images)
    top = qcow2(tmp_path / "top.qcow2", backing=str(golden))
    assert len(check_source(top, images=images).layers) == 2
    for name in ("rocky9/.partial-x", "rocky9/20260101.1/more"):
        (images / name).mkdir()
        (images / name / "manifest.json").write_text("{}")
    for name in (
        "rocky9/20260101.1/other.qcow2",
        "rocky9/20260101.1/more/golden.qcow2",
        "rocky9/.partial-x/golden.qcow2",
        "rocky9/2/golden.qcow2",
        "x.qcow2",
    ):
        (images / name).parent.mkdir(exist_ok=True)
        other = qcow2(images / name)
        with pytest.raises(RecipeError, match="elsewhere"):
            check_source(qcow2(tmp_path / "bad.qcow2", backing=str(other)), images=images)
    (tmp_path / "machines").mkdir()
    neighbour = qcow2(tmp_path / "machines" / "db.qcow2")
    with pytest.raises(RecipeError, match="elsewhere"):
        check_source(qcow2(tmp_path / "bad.qcow2", backing=str(neighbour)), images=images)


@pytest.mark.parametrize(
    ("backing", "form", "reason"),
    [
        ("/etc/shadow", "raw", "elsewhere, '/etc/shadow'"),
        ("../outside.img", "raw", "elsewhere"),
        ("../vm", "raw", "elsewhere"),
        ('json:{"driver":"nbd"}', "raw", "not a plain path"),
        ("json:{}", "qcow2", "not a plain path"),
        ("nbd://localhost/x", "raw", "not a plain path"),
        ("file:base.img", "raw", "not a plain path"),
        ("nbd:unix:/run/x", "raw", "not a plain path"),
        ("base.img", "", "does not say the format"),
        ("base.img", "vmdk", "does not say the format"),
        ("base.img", "vhdx", "does not say the format"),
        ("base.img", "RAW", "does not say the format"),
        ("base.img", "qcow2", "is no qcow2"),
        ("other.img", "raw", "format 'vmdk'"),
        ("inner.qcow2", "raw", "but it is qcow2"),
    ],
)
def test_a_backing_file_that_could_be_anything_is_refused(tmp_path, backing, form, reason):
    folder = tmp_path / "vm"
    folder.mkdir()
    for name in (tmp_path / "outside.img", folder / "base.img"):
        name.write_bytes(MBR)
    (folder / "other.img").write_bytes(b"KDMV" + MBR[4:])
    qcow2(folder / "inner.qcow2", backing="/etc/shadow", backing_format="raw")
    disk = qcow2(folder / "disk.qcow2", backing=backing, backing_format=form)
    with pytest.raises(RecipeError, match=reason):
        check_source(disk, trusted=(folder,))


def test_what_is_trusted_is_not_left_by_the_second_file_of_a_chain(tmp_path):
    folder = tmp_path / "vm"
    folder.mkdir()
    (tmp_path / "secret.img").write_bytes(MBR)
    qcow2(folder / "middle.qcow2", backing=str(tmp_path / "secret.img"), backing_format="raw")
    with pytest.raises(RecipeError, match=r"elsewhere, '.*secret.img'"):
        check_source(qcow2(folder / "top.qcow2", backing="middle.qcow2"), trusted=(folder,))


def test_nothing_in_a_chain_is_a_link(tmp_path):
    folder, outside = tmp_path / "vm", tmp_path / "outside"
    for each in (folder, outside):
        each.mkdir()
    (outside / "secret.img").write_bytes(MBR)
    (folder / "inside.img").write_bytes(MBR)
    (folder / "out.img").symlink_to(outside / "secret.img")
    (folder / "in.img").symlink_to("inside.img")
    (folder / "folder").symlink_to(outside)
    (folder / "same").symlink_to(folder)
    # By its text this is 'inside.img', to the kernel it is 'outside/inside.img'.
    (outside / "deep").mkdir()
    (outside / "inside.img").write_bytes(MBR)
    (folder / "deep").symlink_to(outside / "deep")
    for name in ("out.img", "in.img", "folder/secret.img", "same/inside.img", "deep/../inside.img"):
        disk = qcow2(folder / "disk.qcow2", backing=name, backing_format="raw")
        with pytest.raises(RecipeError, match="elsewhere|symbolic link|no disk image"):
            check_source(disk, trusted=(folder,))
    (folder / "top.qcow2").symlink_to("disk.qcow2")
    with pytest.raises(RecipeError, match="is a symbolic link") as told:
        check_source(folder / "top.qcow2")
    assert str(folder / "disk.qcow2") in told.value.hint


def test_a_trusted_folder_may_be_named_by_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    base = qcow2(tmp_path / "real" / "base.qcow2")
    (tmp_path / "link").symlink_to("real")
    disk = qcow2(tmp_path / "disk.qcow2", backing=str(tmp_path / "link" / "base.qcow2"))
    assert check_source(disk, trusted=(tmp_path / "link",)).layers[1].path == base
    # Only the folder's own name: the same file by a name that is not below what was trusted is another thing.
    with pytest.raises(RecipeError, match="elsewhere"):
        check_source(disk, trusted=(tmp_path / "real",))


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({"features": 1 << 2}, "keeps its data in another file"),
        ({"more": extension(0x44415441, b"/etc/shadow")}, "keeps its data in another file"),
        ({"features": 1 << 1}, "marked as damaged"),
        ({"features": 1 << 5}, "features that are not known"),
        ({"features": 1 << 63}, "features that are not known"),
        ({"crypt": 1}, "encrypted"),
        ({"crypt": 2}, "encrypted"),
        ({"backing": "base.img", "more": extension(BACKING_FORMAT, b"raw")}, "says something twice"),
        ({"more": extension(0x6803F857, b"x" * 48) * 2}, "says something twice"),
        ({"more": struct.pack(">II", 0x6803F857, 2**31)}, "cannot be read"),
        ({"version": 1}, "cannot be read"),
        ({"version": 4}, "cannot be read"),
        ({"cluster_bits": 8}, "cannot be read"),
        ({"cluster_bits": 22}, "cannot be read"),
        ({"cluster_bits": 21, "backing": "/etc/passwd", "at": 0x20000}, "cannot be read"),
        ({"backing": "x" * 1024}, "cannot be read"),
        ({"backing": "base.img", "cluster_bits": 9, "at": 600}, "cannot be read"),
        ({"backing": "base.img\0/etc/shadow"}, "cannot be read"),
    ],
)
def test_a_header_that_could_be_read_in_two_ways_is_refused(tmp_path, header, reason):
    (tmp_path / "base.img").write_bytes(MBR)
    with pytest.raises(RecipeError, match=reason):
        check_source(qcow2(tmp_path / "disk.qcow2", **header), trusted=(tmp_path,))


def test_a_header_whose_length_is_no_multiple_of_eight_is_refused(tmp_path):
    disk = qcow2(tmp_path / "disk.qcow2", backing_format="")
    with disk.open("r+b") as file:
        file.write(disk.read_bytes().ljust(512, b"\0"))
        file.seek(100)
        file.write(struct.pack(">I", 112))
        file.flush()
        assert check_source(disk).format == "qcow2"
        file.seek(100)
        file.write(struct.pack(">I", 108))
    with pytest.raises(RecipeError, match="cannot be read"):
        check_source(disk)


def test_what_qemu_itself_writes_is_known(tmp_path):
    names = extension(0x6803F857, b"x" * 48)
    assert check_source(qcow2(tmp_path / "disk.qcow2", features=0b11001, more=names)).format == "qcow2"


def test_a_chain_that_does_not_end_is_refused(tmp_path):
    disk = qcow2(tmp_path / "disk.qcow2", backing="disk.qcow2")
    with pytest.raises(RecipeError, match="more than 32 backing files"):
        check_source(disk, trusted=(tmp_path,))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"KDMV", "format 'vmdk'"),
        (b"COWD", "format 'vmdk'"),
        (b"# Disk DescriptorFile\nversion=1\n", "format 'vmdk'"),
        (b"# Disk DescriptorFile\nCID=fffffffe\n", "format 'vmdk'"),
        (b"version=1\n", "format 'vmdk'"),
        (b"version=3\r\n", "format 'vmdk'"),
        (b"# a comment\n\n   \r\n  \n#\nversion=2\n", "format 'vmdk'"),
        (b"vhdxfile", "format 'vhdx'"),
        (b"conectix", "format 'vpc'"),
        (b"\0" * 64 + b"\x7f\x10\xda\xbe", "format 'vdi'"),
        (b"<<< QEMU VM Virtual Disk Image >>>\n", "format 'vdi'"),
        (b"LUKS\xba\xbe\0\1", "format 'luks'"),
        (b"QED\0", "format 'qed'"),
        (b"WithoutFreeSpace", "format 'parallels'"),
        (b"WithouFreSpacExt", "format 'parallels'"),
        (b"Bochs Virtual HD Image", "format 'bochs'"),
        (b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop", "format 'cloop'"),
        (b"cxsparse", "format 'vpc'"),
        (b"koly", "format 'dmg'"),
        (b"ustar", "format 'tar'"),
        (b"\0" * 257 + b"ustar", "format 'tar'"),
        (b"PK\x03\x04", "format 'zip'"),
        (b"QFI\xfb\0\0\0\3", "begins as a qcow2, and as a disk with partitions"),
        (b"QFI\xfb\0\0\0\3".ljust(512, b"\0") + b"EFI PART", "begins as a qcow2, and as a disk with partitions"),
    ],
)
def test_a_raw_disk_that_could_be_something_else_is_refused_until_its_owner_says_raw(tmp_path, content, reason):
    disk = tmp_path / "disk"
    disk.write_bytes(content + MBR[len(content) :])
    with pytest.raises(RecipeError, match=reason) as told:
        check_source(disk)
    assert "--format raw" in told.value.hint
    assert check_source(disk, "raw").format == "raw"


@pytest.mark.parametrize(
    ("footer", "length", "name"), [(b"conectix", 512, "vpc"), (b"conectix", 511, "vpc"), (b"koly", 512, "dmg")]
)
def test_the_end_of_a_disk_is_looked_at_too(tmp_path, footer, length, name):
    (tmp_path / "disk").write_bytes(MBR + footer.ljust(length, b"\0"))
    with pytest.raises(RecipeError, match=f"format '{name}'"):
        check_source(tmp_path / "disk")


def test_a_disk_that_is_only_called_dmg_is_taken_for_one(tmp_path):
    (tmp_path / "disk.DMG").write_bytes(MBR)
    with pytest.raises(RecipeError, match="format 'dmg'"):
        check_source(tmp_path / "disk.DMG")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"root:x:0:0\n" * 100, "is no disk"),
        (b" " * 65536, "is no disk"),
        (b"", "is no disk"),
        (b"QFI\xfb\0\0\0\x03", "cannot be read"),
        (b"QFI\xfb" + b"\xff" * 200, "cannot be read"),
        (b"QFI\xfb\0\0\0\1" + b"\0" * 200, "cannot be read"),
    ],
)
def test_what_is_not_a_qcow2_or_raw_disk_is_refused(tmp_path, content, reason):
    disk = tmp_path / "disk"
    disk.write_bytes(content)
    with pytest.raises(RecipeError, match=reason):
        check_source(disk)


def test_only_files_are_disks(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "none", tmp_path, tmp_path / "pipe", "/dev/zero", tmp_path / "none" / "more"):
        for told in (None, "raw", "qcow2"):
            with pytest.raises(RecipeError, match="There is no disk image"):
                check_source(path, told)


def test_what_is_held_are_the_files_that_were_checked_with_their_headers(tmp_path):
    base = tmp_path / "base.img"
    base.write_bytes(MBR)
    top = qcow2(tmp_path / "top.qcow2", backing="base.img", backing_format="raw")
    with held(check_source(top, trusted=(tmp_path,)).layers) as disk:
        assert [os.path.realpath(file) for file in disk.files] == [str(top), str(base)]
        assert [layer.format for layer in disk.layers] == ["qcow2", "raw"]
        assert [layer.head for layer in disk.layers] == [top.read_bytes(), b""]
        assert [layer.size for layer in disk.layers] == [top.stat().st_size, len(MBR)]


def test_a_disk_that_is_changed_after_its_check_is_not_read(tmp_path):
    disk = qcow2(tmp_path / "disk.qcow2")
    checked = check_source(disk)
    disk.rename(tmp_path / "kept")
    disk.write_bytes((tmp_path / "kept").read_bytes())
    # Times may have too few digits to tell two files apart.
    assert checked.layers[0].state[:2] == ((tmp_path / "kept").stat().st_dev, (tmp_path / "kept").stat().st_ino)
    with pytest.raises(RecipeError, match="changed after it was checked"), held(checked.layers):
        pytest.fail("another file is not opened")


def test_a_disk_that_is_changed_while_it_is_read_is_told_of(tmp_path):
    disk = qcow2(tmp_path / "disk.qcow2")
    status = disk.stat()

    def read_and_changed():
        with held(check_source(disk).layers):
            with disk.open("r+b") as file:
                file.write(b"QFI\xfb")
            # The time of its content can be set back; that of its inode cannot.
            os.utime(disk, ns=(status.st_atime_ns, status.st_mtime_ns))

    with pytest.raises(RecipeError, match="changed after it was checked"):
        read_and_changed()


def as_somebody_else(link):
    """Make a link another user's."""
    os.chown(link, 4711, 4711, follow_symlinks=False)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes links of others")
def test_a_link_of_somebody_else_leads_to_no_disk(tmp_path):
    neighbour = tmp_path / "neighbour"
    neighbour.mkdir()
    (neighbour / "disk.img").write_bytes(MBR)
    (tmp_path / "folder").symlink_to(neighbour)
    (tmp_path / "link.img").symlink_to("folder/disk.img")
    assert check_source(tmp_path / "folder" / "disk.img").path == tmp_path / "folder" / "disk.img"
    assert of_definition(tmp_path / "link.img") == neighbour / "disk.img"
    as_somebody_else(tmp_path / "folder")
    for way in (check_source, of_definition):
        with pytest.raises(RecipeError, match="folder', which somebody else can change") as caught:
            way(tmp_path / "folder" / "disk.img")
        assert str(neighbour / "disk.img") in caught.value.hint
    with pytest.raises(RecipeError, match="folder', which somebody else can change"):
        of_definition(tmp_path / "link.img")


def test_a_link_in_a_folder_of_others_is_theirs(tmp_path):
    (tmp_path / "disk.img").write_bytes(MBR)
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    (open_to_all / "link").symlink_to(tmp_path)
    with pytest.raises(RecipeError, match="link', which somebody else can change"):
        check_source(open_to_all / "link" / "disk.img")
    # A file there is its owner's to give away.
    (open_to_all / "disk.img").write_bytes(MBR)
    assert check_source(open_to_all / "disk.img").format == "raw"


def test_a_folder_that_becomes_a_link_while_a_disk_is_opened_is_told_of(tmp_path, monkeypatch):
    neighbour, mine = tmp_path / "neighbour", tmp_path / "mine"
    for folder in (neighbour, mine):
        folder.mkdir()
        (folder / "disk.img").write_bytes(MBR)
    opened = os.open

    def swapped(path, *how, **more):
        if os.fspath(path) != os.fspath(mine / "disk.img"):
            return opened(path, *how, **more)
        mine.rename(tmp_path / "away")
        mine.symlink_to(neighbour)
        descriptor = opened(path, *how, **more)
        mine.unlink()
        (tmp_path / "away").rename(mine)
        return descriptor

    monkeypatch.setattr(os, "open", swapped)
    with pytest.raises(RecipeError, match="was changed while it was opened"):
        check_source(mine / "disk.img")


def test_a_file_that_cannot_be_read_is_told_of_as_a_disk():
    with pytest.raises(RecipeError, match=r"The disk '/proc/self/mem' cannot be read: Input/output error\."):
        check_source("/proc/self/mem", "raw")


def test_a_link_that_goes_while_the_way_is_looked_at_is_told_of(tmp_path, monkeypatch):
    (tmp_path / "disk.img").write_bytes(MBR)

    def gone(path):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), os.fspath(path))

    monkeypatch.setattr(disk_source, "link_of_others", gone)
    with pytest.raises(RecipeError, match="was changed while it was opened"):
        check_source(tmp_path / "disk.img")
    with pytest.raises(RecipeError, match="cannot be read"):
        of_definition(tmp_path / "disk.img")
