"""Disks as Windows leaves them, good and broken, made in libguestfs' appliance: NTFS, logs, and hives by hivex.

Run as a program, it is the part that needs libguestfs' Python binding, and knows nothing of imgpipe.
"""

from __future__ import annotations

import base64
import json
import struct
import subprocess
import sys
from pathlib import Path

MIB = 2**20
PASSWORD = "Corr3ct-horse"
ENCODED = base64.b64encode(f"{PASSWORD}AdministratorPassword".encode("utf-16-le")).decode()
PRODUCT_KEY = "ABCDE-12345-FGHIJ-67890-KLMNO"
ANSWER_FILE = (
    '<unattend xmlns="urn:schemas-microsoft-com:unattend"><settings pass="oobeSystem"><component><UserAccounts>'
    f"<AdministratorPassword><Value>{ENCODED}</Value><PlainText>false</PlainText></AdministratorPassword>"
    f"</UserAccounts><ProductKey>{PRODUCT_KEY}</ProductKey></component></settings></unattend>\n"
)
GENERALIZED = "IMAGE_STATE_GENERALIZE_RESEAL_TO_OOBE"
BROKEN = ("no-tag", "undeployable", "no-marker", "driver", "logon", "dirty", "hibernated")
"""What is wrong with each partition of the disk 'broken'; in its root is a file of this name."""

_APPX = "Package Microsoft.Edge_1.0_x64 was installed for a user, but not provisioned for all users."
_LOG = (
    "2016-11-22 10:00:00, Info                  SYSPRP ========================================================\r\n"
    f"2016-11-22 10:00:01, Info                  [msg] {ANSWER_FILE.strip()}\r\n"
    f"2016-11-22 10:00:02, Error                 SYSPRP {_APPX} This will not work.\r\n"
    f"2016-11-22 10:00:03, Error                 [msg] AdministratorPassword = {PASSWORD}, \x1b[31mred\x07\r\n"
)
_CONFIG = "/Windows/System32/config"
_NOTHING = 0xFFFFFFFF


def make_disks(folder: Path, python: str) -> None:
    """Make `good.qcow2`, whose second partition is a sealed system, and `broken.qcow2`."""
    subprocess.run([python, "-I", __file__, str(folder)], check=True, timeout=1200)


def files(fault: str) -> dict[str, bytes]:
    """Return what is on the file system of a system with this fault; none if empty."""
    state = "IMAGE_STATE_UNDEPLOYABLE" if fault == "undeployable" else GENERALIZED
    marker = {
        "imgpipe": 1,
        "system": "win2016",
        "drivers": [{"name": "balloon", "exit": 2 if fault == "driver" else 0}, {"name": "viorng", "exit": 259}],
        "steps": [{"name": "qemu-ga", "exit": 3010}],
    }
    found = {
        "/Windows/Setup/State/State.ini": f"[State]\r\nImageState={state}\r\n".encode("utf-16"),
        "/Windows/Panther/unattend.xml": ANSWER_FILE.encode(),
        "/Windows/Panther/setupact.log": b"2016-11-22 09:00:00, Info   IBS started\r\n",
        "/Windows/System32/Sysprep/Panther/setupact.log": (_LOG if fault == "no-tag" else "fine\r\n").encode("utf-16"),
        "/imgpipe/first-logon.cmd": b"@echo off\r\n",
        "/imgpipe/sysprep.xml": ANSWER_FILE.encode(),
        "/pagefile.sys": b"\0" * 4096,
        "/Windows/MEMORY.DMP": b"PAGEDU64" + bytes(0x30) + struct.pack("<IIQQQQ", 0x7B, 0, 1, 2, 3, 4) + bytes(4096),
        "/Users/Administrator/kept.txt": b"kept\r\n",
    }
    if fault != "no-tag":
        # Windows Server 2008 R2 writes the folder's name in small letters.
        found["/Windows/System32/Sysprep/Sysprep_succeeded.tag"] = b""
    if fault != "no-marker":
        found["/imgpipe/sealed.json"] = json.dumps(marker).encode() + b" \r\n"
    if fault == "hibernated":
        found["/hiberfil.sys"] = b"hibr" + b"\0" * 4092
    return found | ({f"/{fault}": b""} if fault else {})


def empty_hive() -> bytes:
    """Return a hive with a root key and nothing in it; hivex changes hives, but makes none (msuhanov/regf)."""
    nk = struct.pack("<2sHQIIIIIIII", b"nk", 0x2C, 0, 0, 0, 0, 0, _NOTHING, _NOTHING, 0, _NOTHING)
    nk += struct.pack("<IIIIIIIHH", 0x80, _NOTHING, 0, 0, 0, 0, 0, 4, 0) + b"ROOT"
    sk = struct.pack("<2sHIIII", b"sk", 0, 0x80, 0x80, 1, 20) + struct.pack("<BBHIIII", 1, 0, 0x8000, 0, 0, 0, 0)
    cells = struct.pack("<i", -0x60) + nk.ljust(0x5C, b"\0") + struct.pack("<i", -0x38) + sk.ljust(0x34, b"\0")
    first_bin = struct.pack("<4sII8xQI", b"hbin", 0, 4096, 0, 0) + cells
    first_bin += struct.pack("<i", 4096 - len(first_bin))
    head = struct.pack("<4sIIQIIIIIII", b"regf", 1, 1, 0, 1, 3, 0, 1, 0x20, 4096, 1).ljust(508, b"\0")
    checksum = 0
    for (word,) in struct.iter_unpack("<I", head):
        checksum ^= word
    return (head + struct.pack("<I", checksum)).ljust(4096, b"\0") + first_bin.ljust(4096, b"\0")


def values(fault: str) -> dict[str, dict[str, dict[str, str]]]:
    """Return the values of each hive by key and name."""
    state = "IMAGE_STATE_UNDEPLOYABLE" if fault == "undeployable" else GENERALIZED
    version = {"ProductName": "Windows Server 2016 Standard", "CurrentBuild": "14393"}
    software = {
        "Microsoft\\Windows\\CurrentVersion\\Setup\\State": {"ImageState": state},
        "Microsoft\\Windows NT\\CurrentVersion": version,
    }
    if fault == "logon":
        software["Microsoft\\Windows NT\\CurrentVersion\\Winlogon"] = {"DefaultPassword": PASSWORD}
    return {"SOFTWARE": software, "SYSTEM": {"Setup": {"CmdLine": "oobe\\windeploy.exe"}}}


def _main(folder: Path) -> None:
    import guestfs

    g = guestfs.GuestFS(python_return_dict=True)
    g.set_backend("direct")
    g.set_backend_setting("force_tcg", "1")
    g.set_network(False)
    for name in ("good", "broken"):
        path = str(folder / f"{name}.qcow2")
        g.disk_create(path, "qcow2", 512 * MIB)
        g.add_drive_opts(path, format="qcow2", cachemode="unsafe")
    g.launch()
    for disk, faults in (("/dev/sda", ("", "")), ("/dev/sdb", BROKEN)):
        g.part_init(disk, "gpt")
        for number, fault in enumerate(faults, 1):
            g.part_add(disk, "p", number * 48 * MIB // 512, (number + 1) * 48 * MIB // 512 - 1)
            # The first partition of the good disk is Windows' own for recovery: NTFS, and no system.
            device = f"{disk}{number}"
            g.mkfs("ntfs", device)
            if (disk, number) != ("/dev/sda", 1):
                _fill(g, device, fault)
    g.shutdown()
    g.close()


def _fill(g: object, device: str, fault: str) -> None:
    g.mount_vfs("", "ntfs-3g", device, "/")
    for path, content in files(fault).items():
        g.mkdir_p(path.rpartition("/")[0] or "/")
        g.write(path, content)
    g.mkdir_p(_CONFIG)
    for hive, keys in values(fault).items():
        g.write(f"{_CONFIG}/{hive}", empty_hive())
        _set_values(g, f"{_CONFIG}/{hive}", keys)
    g.umount_all()
    if fault == "dirty":
        _mark_dirty(g, device)


def _set_values(g: object, hive: str, keys: dict[str, dict[str, str]]) -> None:
    g.hivex_open(hive, write=True)
    for key, named in keys.items():
        node = g.hivex_root()
        for part in key.split("\\"):
            node = g.hivex_node_get_child(node, part) or g.hivex_node_add_child(node, part)
        for name, value in named.items():
            g.hivex_node_set_value(node, name, 1, f"{value}\0".encode("utf-16-le"))
    g.hivex_commit(None)
    g.hivex_close()


def _mark_dirty(g: object, device: str) -> None:
    """Set the flag that Windows clears when it closes a volume: in the file table, and in its mirror."""
    boot = g.pread_device(device, 512, 0)
    cluster = struct.unpack_from("<H", boot, 0x0B)[0] * boot[0x0D]
    size = 1 << -struct.unpack_from("<b", boot, 0x40)[0]
    for table in struct.unpack_from("<QQ", boot, 0x30):
        place = table * cluster + 3 * size
        record = g.pread_device(device, size, place)
        at = record.index(struct.pack("<I", 0x70), 0x38)
        content = struct.unpack_from("<H", record, at + 0x14)[0]
        g.pwrite_device(device, struct.pack("<H", 1), place + at + content + 10)


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
