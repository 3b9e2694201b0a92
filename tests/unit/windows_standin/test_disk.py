import struct

import pytest

from imgpipe_windows_standin.installer import bootloader, ntfs, registry
from imgpipe_windows_standin.installer.answers import AnswerError, Create, Modify
from imgpipe_windows_standin.installer.partitions import sfdisk_script, system_partition

BIOS = (
    (Create(kind="primary", size=100), Create(kind="primary", size=None)),
    (Modify(number=1, format="ntfs", active=True), Modify(number=2, format="ntfs")),
)
UEFI = (
    (Create(kind="efi", size=100), Create(kind="msr", size=16), Create(kind="primary", size=None)),
    (Modify(number=1, format="fat32"), Modify(number=3, format="ntfs")),
)


def test_by_bios_the_disk_gets_mbr_with_an_active_partition():
    lines = sfdisk_script(*BIOS, uefi=False).splitlines()
    assert lines[0] == "label: dos"
    assert lines[2:] == ["1: start=2048, size=204800, type=7, bootable", "2: start=206848, type=7"]
    assert system_partition(*BIOS, uefi=False) == 1


def test_by_uefi_the_disk_gets_gpt():
    lines = sfdisk_script(*UEFI, uefi=True).splitlines()
    assert lines[0] == "label: gpt"
    assert [line.split("type=")[1][:8] for line in lines[1:]] == ["C12A7328", "E3C9E316", "EBD0A0A2"]
    assert system_partition(*UEFI, uefi=True) == 1


def test_a_recovery_partition_keeps_its_type():
    modifies = (Modify(number=1, active=True, type_id="0x27"), BIOS[1][1])
    assert "type=27, bootable" in sfdisk_script(BIOS[0], modifies, uefi=False)


@pytest.mark.parametrize(
    ("creates", "modifies", "uefi"),
    [
        ((), (), True),
        (*BIOS, True),
        (*UEFI, False),
        ((Create(kind="primary", size=None), Create(kind="primary", size=10)), BIOS[1], False),
        (BIOS[0], (Modify(number=1, active=True), Modify(number=3)), False),
        (BIOS[0], (Modify(number=1), Modify(number=2)), False),
        (BIOS[0], (Modify(number=1, active=True, type_id="7; rm"),), False),
    ],
)
def test_a_layout_setup_refuses_is_refused(creates, modifies, uefi):
    with pytest.raises(AnswerError):
        sfdisk_script(creates, modifies, uefi=uefi)


def test_the_boot_code_leaves_signature_and_table_alone():
    code, core = bootloader.boot_sector(bytes(range(256)) * 2, b"\xee" * 1300)
    assert len(code) == 440
    # From sector 2, the two sectors behind the first one, the last of them not full.
    assert struct.unpack("<QHH", core[500:512]) == (2, 2, 0x820)
    assert core[:500] + core[512:] == b"\xee" * 1288


def test_the_checksum_of_a_new_hive_is_right():
    hive = registry.empty_hive()
    words = struct.unpack("<128I", hive[:512])
    checksum = 0
    for word in words[:127]:
        checksum ^= word
    assert words[127] == checksum
    assert len(hive) == 8192
    # The cells fill the bin to its end.
    offset, last = 4096 + 32, 0
    while offset < 8192:
        last = struct.unpack_from("<i", hive, offset)[0]
        offset += abs(last)
    assert offset == 8192
    assert last > 0


def test_the_dirty_flag_is_set_in_the_table_and_its_mirror(tmp_path):
    attributes = struct.pack("<II", 0x60, 32) + bytes(24) + struct.pack("<IIIIIH", 0x70, 48, 0, 0, 12, 24) + bytes(26)
    record = (bytes(20) + struct.pack("<H", 56)).ljust(56, b"\0") + attributes
    assert ntfs.flags_offset(record) == 56 + 32 + 24 + 10
    boot = bytearray(512)
    struct.pack_into("<HB", boot, 11, 512, 8)
    struct.pack_into("<QQ", boot, 48, 1, 3)
    struct.pack_into("<b", boot, 64, -10)
    volume = bytearray(boot.ljust(32768, b"\0"))
    for table in (4096, 3 * 4096):
        volume[table + 3072 : table + 3072 + len(record)] = record
    path = tmp_path / "volume"
    path.write_bytes(volume)
    ntfs.mark_dirty(path)
    changed = path.read_bytes()
    assert [place for place in range(len(changed)) if changed[place] != volume[place]] == [7290, 15482]
    assert changed[7290] == 1
