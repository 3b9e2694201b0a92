import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgpipe_demo.installer.layout import (
    LayoutError,
    Wish,
    check_bootable,
    place_partitions,
    size_volumes,
)

BIOS = Wish(mountpoint="biosboot", fstype="biosboot", size=2)
BOOT = Wish(mountpoint="/boot", fstype="xfs", size=1024)
SWAP = Wish(mountpoint="swap", fstype="swap", size=2048)
ROOT = Wish(mountpoint="/", fstype="xfs", size=1, grow=True)
PV = Wish(mountpoint="pv.01", fstype="lvmpv", size=1, grow=True)
DISK = {"vda": 15 * 1024}


def test_what_grows_takes_the_rest_and_the_head_and_tail_stay_free():
    placed = place_partitions((ROOT, SWAP, BOOT, BIOS), DISK, "gpt")
    assert [(part.wish.mountpoint, part.number, part.start, part.size) for part in placed] == [
        ("biosboot", 1, 1, 2),
        ("/boot", 2, 3, 1024),
        ("swap", 3, 1027, 2048),
        ("/", 4, 3075, 15 * 1024 - 3075 - 1),
    ]


def test_what_grows_stops_at_its_maximum():
    home = Wish(mountpoint="/home", fstype="xfs", size=1, grow=True, max_size=500)
    sizes = {part.wish.mountpoint: part.size for part in place_partitions((ROOT, home), DISK, "gpt")}
    assert sizes == {"/": 15 * 1024 - 2 - 500, "/home": 500}


def test_a_fifth_partition_of_an_msdos_label_is_a_logical_one():
    data = Wish(mountpoint="/data", fstype="ext4", size=100)
    placed = place_partitions((BOOT, SWAP, data, data, ROOT), DISK, "msdos")
    assert [part.number for part in placed] == [1, 2, 3, 5, 6]
    assert placed[3].start == placed[2].start + placed[2].size + 1


def test_a_disk_that_is_too_small_is_refused_in_anacondas_words():
    with pytest.raises(LayoutError, match="Not enough space in file systems"):
        place_partitions((BOOT, SWAP, ROOT), {"vda": 2048}, "gpt")


def test_a_disk_that_does_not_exist_is_refused():
    with pytest.raises(LayoutError, match="does not exist"):
        place_partitions((Wish(mountpoint="/", fstype="xfs", size=1, disk="sda"),), DISK, "gpt")


def test_a_wish_goes_to_the_first_disk_with_room():
    big = Wish(mountpoint="/data", fstype="xfs", size=9000)
    placed = place_partitions((big, big), {"vda": 10000, "vdb": 10000}, "gpt")
    assert [part.disk for part in placed] == ["vda", "vdb"]


@given(st.lists(st.tuples(st.integers(1, 3000), st.booleans()), min_size=1, max_size=8), st.booleans())
def test_partitions_never_overlap_nor_leave_the_disk(asked, gpt):
    wishes = [Wish(mountpoint=f"/{i}", fstype="xfs", size=size, grow=grow) for i, (size, grow) in enumerate(asked)]
    end = 1
    for part in place_partitions(wishes, {"vda": 30000}, "gpt" if gpt else "msdos"):
        assert part.start >= end
        assert part.size >= part.wish.size
        end = part.start + part.size
    assert end <= 30000 - 1


def test_a_percentage_is_of_what_the_fixed_volumes_leave():
    fixed = Wish(mountpoint="swap", fstype="swap", size=1024)
    rest = Wish(mountpoint="/", fstype="xfs", percent=100)
    assert [count for _, count in size_volumes((fixed, rest), 1000, "vg0")] == [256, 744]


def test_a_growing_volume_takes_what_is_left():
    root = Wish(mountpoint="/", fstype="xfs", size=1024, grow=True)
    assert size_volumes((root,), 1000, "vg0") == ((root, 1000),)


def test_a_group_that_is_too_small_is_refused():
    with pytest.raises(LayoutError, match="vg0"):
        size_volumes((Wish(mountpoint="/", fstype="xfs", size=8192),), 1000, "vg0")


@pytest.mark.parametrize(
    ("wishes", "label", "uefi", "text"),
    [
        ((BOOT,), "gpt", False, "root partition"),
        ((ROOT,), "gpt", False, "BIOS-based system needs a special partition"),
        ((ROOT,), "gpt", True, "EFI System Partition"),
    ],
)
def test_what_the_firmware_could_not_start_is_refused(wishes, label, uefi, text):
    with pytest.raises(LayoutError, match=text):
        check_bootable(wishes, label, uefi=uefi)


def test_a_plain_msdos_disk_boots():
    check_bootable((ROOT,), "msdos", uefi=False)
