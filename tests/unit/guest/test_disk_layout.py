"""Which file systems of one disk make up a system, among disks whose names and UUIDs are alike."""

import pytest

from imgpipe.guest_worker.layout import BlockDevices, Layout, Place
from imgpipe.guest_worker.text import WorkerError

FSTAB = """\
# comment
UUID=R / xfs defaults 0 0
UUID="b" /boot ext4 defaults 1 2
/dev/sda1 /boot/efi vfat umask=0077 0 2
/dev/mapper/my--group-var /var xfs defaults 0 0
PARTUUID=p5 /srv ext4 noatime 0 2
LABEL=data /data ext4 nofail 0 2
/dev/nvme0n1p9 /opt ext4 defaults 0 2
swap none swap sw 0 0
tmpfs /tmp tmpfs size=1G 0 0
server:/x /mnt/x nfs defaults 0 0
"""


class Disk:
    """Stands in for libguestfs: file systems by device, as (kind, uuid, label), and one root's fstab."""

    def __init__(self, fstab=FSTAB, roots=("/dev/my-group/root",)):
        self.systems = {
            "/dev/sdb1": ("vfat", "E", ""),
            "/dev/sdb2": ("ext4", "b", ""),
            "/dev/sdb3": ("LVM2_member", "l", ""),
            "/dev/sdb5": ("ext4", "s", ""),
            "/dev/my-group/root": ("xfs", "r", ""),
            "/dev/my-group/var": ("xfs", "v", ""),
        }
        self.fstab = fstab.encode()
        self.roots = roots
        self.root = ""
        self.mounted = []

    def list_partitions(self):
        return ["/dev/sda1", "/dev/sda2", *(name for name in self.systems if name.startswith("/dev/sdb")), "/dev/sdba1"]

    def lvs(self):
        return [name for name in self.systems if "group" in name]

    def vfs_type(self, device):
        return self.systems[device][0]

    def vfs_uuid(self, device):
        return self.systems[device][1]

    def vfs_label(self, device):
        return self.systems[device][2]

    def part_get_parttype(self, device):
        assert device == "/dev/sdb"
        return "gpt"

    def part_get_gpt_guid(self, _device, number):
        return f"P{number}"

    def mount_options(self, options, device, where):
        self.mounted.append((options, device, where))
        if where == "/":
            self.root = device

    def umount_all(self):
        self.root = ""

    def is_file(self, _path, followsymlinks):
        return followsymlinks and self.root in self.roots

    def is_dir(self, _path):
        return True

    def exists(self, _path):
        return True

    def filesize(self, _path):
        return len(self.fstab)

    def read_file(self, path):
        assert path == "/etc/fstab"
        return self.fstab


def test_only_this_disks_devices_are_seen():
    assert set(BlockDevices(Disk(), "/dev/sdb").sources) == {1, 2, 3, 5, "/dev/my-group/root", "/dev/my-group/var"}


def test_the_systems_own_fstab_says_what_is_mounted():
    found = BlockDevices(Disk(), "/dev/sdb").find()
    assert found.uuid == "r"
    assert found.places == (
        Place("/", "/dev/my-group/root", "xfs"),
        Place("/var", "/dev/my-group/var", "xfs"),
        Place("/srv", 5, "ext4"),
        Place("/boot", 2, "ext4"),
        Place("/boot/efi", 1, "vfat"),
    )


def test_xfs_is_mounted_without_looking_for_other_clones_uuids():
    disk = Disk()
    devices = BlockDevices(disk, "/dev/sdb")
    layout = devices.find()
    disk.mounted.clear()
    devices.mount(layout)
    assert disk.mounted[0] == ("nouuid", "/dev/my-group/root", "/")
    assert disk.mounted[3] == ("", "/dev/sdb2", "/boot")


def test_a_layout_fits_a_clone_and_no_other_disk():
    devices = BlockDevices(Disk(), "/dev/sdb")
    layout = devices.find()
    assert devices.fits(layout)
    assert not devices.fits(Layout("other", layout.places))
    assert not devices.fits(Layout("r", (*layout.places, Place("/x", 7, "ext4"))))


@pytest.mark.parametrize("roots", [(), ("/dev/sdb2", "/dev/my-group/root")])
def test_no_system_and_two_systems_are_told_with_what_is_there(roots):
    with pytest.raises(WorkerError, match=f"{len(roots)} systems") as caught:
        BlockDevices(Disk(roots=roots), "/dev/sdb").find()
    assert "3: LVM2_member" in caught.value.details


def test_a_part_that_edits_need_and_that_is_elsewhere_is_an_error():
    with pytest.raises(WorkerError, match="'/var' is not on the disk"):
        BlockDevices(Disk(FSTAB.replace("my--group-var", "other-var")), "/dev/sdb").find()


@pytest.mark.parametrize("where", ["/../etc", "/etc/..", "relative", "/a//b", "/proc\\040x"])
def test_strange_mount_points_are_passed_over(where):
    found = BlockDevices(Disk(f"UUID=r / xfs defaults 0 0\nUUID=b {where} ext4 defaults 0 0\n"), "/dev/sdb").find()
    assert [place.where for place in found.places] == ["/"]
