"""NTFS in the worker: its own flags, names in any case, and which file system is the system's."""

import base64
import struct
from fnmatch import fnmatch

import pytest
from fake_libguestfs import FakeGuestFS

from imgpipe.guest_worker import ntfs, registry, volumes
from imgpipe.guest_worker.files import Files
from imgpipe.guest_worker.text import WorkerError


def boot_sector(per_cluster=8, per_record=-10):
    sector = bytearray(512)
    sector[3:7] = b"NTFS"
    struct.pack_into("<HB", sector, 0x0B, 512, per_cluster)
    struct.pack_into("<QQb", sector, 0x30, 4, 100, per_record)
    return bytes(sector)


def volume_record(flags):
    """Return a record as mkfs.ntfs makes it: another attribute first, and a sector end that the log protects."""
    record = bytearray(1024)
    struct.pack_into("<4sHH", record, 0, b"FILE", 0x30, 3)
    record[0x30:0x36] = b"\x05\x00" + b"\xaa\xbb" + b"\xcc\xdd"
    struct.pack_into("<H", record, 0x14, 0x38)
    struct.pack_into("<II", record, 0x38, 0x30, 0x1A8)
    # The flags are the last two bytes of the first sector, where the sequence number stands on the disk.
    at = 0x38 + 0x1A8
    struct.pack_into("<IIxxxxxxxxIH", record, at, 0x70, 0x28, 12, 0x14)
    struct.pack_into("<H", record, at + 0x14 + 10, flags)
    struct.pack_into("<I", record, at + 0x28, 0xFFFFFFFF)
    record[0x32:0x34] = record[510:512]
    record[510:512] = record[1022:1024] = b"\x05\x00"
    return bytes(record)


@pytest.mark.parametrize(
    ("sector", "place"),
    [
        (boot_sector(), (4 * 4096 + 3 * 1024, 1024)),
        (boot_sector(per_cluster=1, per_record=2), (4 * 512 + 3 * 1024, 1024)),
        (boot_sector(per_cluster=0xF4), (4 * 512 * 4096 + 3 * 1024, 1024)),
    ],
)
def test_the_volumes_record_is_found_from_the_boot_sector(sector, place):
    assert ntfs.record_place(sector) == place


@pytest.mark.parametrize("flags", [0, 1, 0x4001])
def test_the_flags_are_read_from_behind_the_protected_sector_ends(flags):
    assert ntfs.flags(volume_record(flags)) == flags


@pytest.mark.parametrize("sector", [b"", b"\0" * 512, boot_sector(per_record=-40), boot_sector(per_record=127)])
def test_a_boot_sector_that_makes_no_sense_is_refused(sector):
    with pytest.raises(WorkerError, match="boot sector"):
        ntfs.record_place(sector)


@pytest.mark.parametrize(
    "record",
    [
        b"BAAD" + b"\0" * 1020,
        volume_record(0)[:500],
        b"FILE" + b"\xff" * 1020,
        b"FILE" + b"\0" * 1020,
        volume_record(0).replace(b"\x70\0\0\0", b"\x71\0\0\0"),
    ],
)
def test_a_damaged_record_is_refused_and_read_in_bounded_steps(record):
    with pytest.raises(WorkerError, match="master file table"):
        ntfs.flags(record)


class FakeNtfs(FakeGuestFS):
    """Knows paths in any case, as libguestfs does, and lists folders."""

    def case_sensitive_path(self, path):
        found = ""
        parts = path.strip("/").split("/")
        for number, part in enumerate(parts, 1):
            names = [name for name in self.ls(found or "/") if name.lower() == part.lower()]
            if not names and number < len(parts):
                raise RuntimeError("case_sensitive_path: not found")
            found += f"/{names[0] if names else part}"
        return found

    def ls(self, folder):
        return [path.name for path in self._at(folder).iterdir()] if self._at(folder).is_dir() else []

    def is_dir(self, path, followsymlinks):
        return self._at(path).is_dir() and (followsymlinks or not self._at(path).is_symlink())


@pytest.fixture
def files(tmp_path):
    for path in ("Windows/Panther/setupact.log", "Windows/Panther/UnattendGC/setuperr.log", "pagefile.sys"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    (tmp_path / "Junction").symlink_to("Windows")
    return Files(FakeNtfs(tmp_path), ignore_case=True)


def test_names_are_found_in_any_case(files):
    assert files.spelled("/WINDOWS/panther/SETUPACT.LOG") == "/Windows/Panther/setupact.log"
    assert base64.b64decode(files.read("/windows/panther/setupact.log", 7)) == b"Windows"
    assert files.size("/PAGEFILE.sys") == len("pagefile.sys")
    assert not files.exists("/windows/nothing/here")


def test_what_is_not_there_yet_is_spelled_as_far_as_it_is(files):
    assert files.spelled("/windows/PANTHER/new.xml") == "/Windows/Panther/new.xml"
    assert files.spelled("/windows/New/deep/er.xml") == "/Windows/New/deep/er.xml"


def test_patterns_match_in_any_case_and_do_not_go_through_links(files):
    assert files.glob("/windows/PANTHER/SETUP*.log") == ["/Windows/Panther/setupact.log"]
    assert files.glob("/*/panther/*/setup*.log") == ["/Windows/Panther/UnattendGC/setuperr.log"]
    assert files.glob("/junction/panther/*") == []


def test_the_end_of_a_log_starts_at_a_whole_character_of_utf_16(files):
    assert files.ending("/Windows/Panther/setupact.log", 5) == b".log"
    assert files.ending("/Windows/Panther/setupact.log", 4) == b".log"
    assert files.ending("/pagefile.sys", 2**18) == b"pagefile.sys"


def test_a_text_is_searched_for_in_the_coding_of_windows_too(files, tmp_path):
    (tmp_path / "Windows/Panther/unattend.xml").write_bytes("<Value>hunter22</Value>".encode("utf-16"))
    assert files.search(["/windows/panther/*"], ["hunter22"]) == ["/Windows/Panther/unattend.xml"]


class Disk:
    """Devices with what they hold; only one can be mounted."""

    def __init__(self, **held):
        self.held = {f"/dev/{name}": paths for name, paths in held.items()}
        self.mounted = ""
        self.ntfs = True

    def feature_available(self, _groups):
        return self.ntfs

    def vfs_type(self, device):
        return "vfat" if "efi" in device else "ntfs"

    def umount_all(self):
        self.mounted = ""

    def mount_vfs(self, options, driver, device, where):
        assert (options, driver, where) == ("ro", "ntfs-3g", "/")
        assert "efi" not in device
        if self.held[device] is None:
            raise RuntimeError("mount: damaged")
        self.mounted = device

    def case_sensitive_path(self, path):
        return path

    def is_dir(self, _path, followsymlinks):
        return True

    def lstatnslist(self, folder, names):
        there = [f"{folder.rstrip('/')}/{name}" in self.held[self.mounted] for name in names]
        return [{"st_ino": 1 if found else -1, "st_mode": 0o100644} for found in there]


HELD = ["/Windows/SOFTWARE"]


def test_the_system_is_on_the_one_volume_that_holds_everything():
    disk = Disk(efi1=HELD, sda2=[], sda3=HELD, sda4=None)
    assert volumes.find(disk, disk.held, "ntfs", HELD) == "/dev/sda3"
    assert disk.mounted == ""


@pytest.mark.parametrize("held", [{"sda1": []}, {"sda1": HELD, "sda2": HELD}])
def test_none_or_several_such_volumes_are_refused(held):
    disk = Disk(**held)
    with pytest.raises(WorkerError, match="systems of the kind"):
        volumes.find(disk, disk.held, "ntfs", HELD)


def test_a_host_that_cannot_read_ntfs_is_told():
    disk = Disk(sda1=HELD)
    disk.ntfs = False
    with pytest.raises(WorkerError, match="cannot read NTFS"):
        volumes.find(disk, disk.held, "ntfs", HELD)


def test_only_the_disks_own_partitions_are_looked_at():
    disk = Disk()
    disk.list_partitions = lambda: ["/dev/sda1", "/dev/sdb1", "/dev/sdb12", "/dev/sdab1"]
    assert volumes.on(disk, "/dev/sdb") == ["/dev/sdb1", "/dev/sdb12"]


class Hive:
    """A registry of one hive with one value of each type."""

    values = {"Text": (1, b"a\0b\0\0\0"), "Number": (4, b"\x07\0\0\0"), "Odd": (3, b"x"), "Short": (4, b"\x07")}  # noqa: RUF012 (never changed)
    opened = 0

    def hivex_open(self, path):
        if fnmatch(path, "*broken*"):
            raise RuntimeError("hivex_open: not a hive")
        self.opened += 1

    def hivex_close(self):
        self.opened -= 1

    def hivex_root(self):
        return 1

    def hivex_node_get_child(self, node, name):
        return node + 1 if name.lower() in ("setup", "state") else 0

    def hivex_node_get_value(self, _node, name):
        return list(self.values).index(name) + 1 if name in self.values else 0

    def hivex_value_type(self, value):
        return list(self.values.values())[value - 1][0]

    def hivex_value_value(self, value):
        return list(self.values.values())[value - 1][1]


class Sizes:
    def size(self, path):
        return None if "missing" in path else 4096

    def spelled(self, path):
        return path


@pytest.mark.parametrize(
    ("hive", "key", "name", "read"),
    [
        ("SOFTWARE", r"Setup\State", "Text", "ab"),
        ("SOFTWARE", "Setup", "Number", "7"),
        ("SOFTWARE", "Setup", "Odd", None),
        ("SOFTWARE", "Setup", "Short", None),
        ("SOFTWARE", "Setup", "Nothing", None),
        ("SOFTWARE", r"Nothing\State", "Text", None),
        ("missing", "Setup", "Text", None),
        ("broken", "Setup", "Text", None),
    ],
)
def test_a_value_of_the_registry_is_its_text_or_nothing(hive, key, name, read):
    fake = Hive()
    other = {"hive": "SOFTWARE", "key": "Setup", "name": "Number"}
    assert registry.read(fake, Sizes(), [{"hive": hive, "key": key, "name": name}, other]) == [read, "7"]
    assert fake.opened == 0
