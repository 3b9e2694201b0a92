"""A small Debian-like root file system with the dirt of every operation, on plain ext4 and on LVM with XFS."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

from imgpipe.adapters.guest import guestfs_python
from imgpipe.offline_edits import Remove
from imgpipe.operations import CORE

GIB = 2**30
MACHINE_ID = "0123456789abcdef0123456789abcdef\n"
PASSWORD_HASH = "$6$saltsalt$Zm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFy"
PROOF = "/root/.installed"

SYSTEM = {
    "/etc/os-release": 'NAME="Debian GNU/Linux"\nID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12"\n',
    "/etc/debian_version": "12.5\n",
    "/var/lib/dpkg/status": "".join(
        f"Package: {name}\nStatus: install ok installed\nMaintainer: Ann <ann@example.org>\nVersion: {version}\n"
        "Architecture: amd64\n\n"
        for name, version in (("bash", "5.2.15-2+b2"), ("openssh-server", "1:9.2p1-2"))
    ),
    "/bin/sh": "#!\n",
    "/usr/bin/ssh-keygen": "#!\n",
}
KEPT = {
    "/etc/passwd": "root:x:0:0:root:/root:/bin/bash\n",
    "/etc/shadow": f"root:{PASSWORD_HASH}:19000:0:99999:7:::\n",
    "/etc/NetworkManager/system-connections/eth0.nmconnection": "[connection]\nid=eth0\ninterface-name=eth0\n",
    "/root/.ssh/authorized_keys": "ssh-ed25519 AAAA operator\n",
    "/home/dir/.ssh/authorized_keys": "ssh-ed25519 AAAA operator\n",
    "/home/dir/.bashrc": "# mine\n",
    "/boot/loader/entries/0123456789abcdef0123456789abcdef-6.1.conf": "title Debian\n",
    "/etc/cron.d/site": "# stays\n",
    "/etc/hosts": "127.0.0.1 localhost\n",
    "/opt/outside/precious": "not to be followed to\n",
    "/var/spool/cron/crontabs/": "",
    "/var/log/chrony/": "",
    "/var/cache/apt/archives/partial/": "",
    "/var/lib/apt/lists/partial/": "",
}
DIRT = {
    "/etc/machine-id": MACHINE_ID,
    "/var/lib/dbus/machine-id": MACHINE_ID,
    "/etc/hostname": "template\n",
    "/etc/resolv.conf": "nameserver 10.0.2.3\n",
    "/etc/NetworkManager/system-connections/Wired connection 1.nmconnection": "[connection]\n",
    "/etc/ssh/ssh_host_ed25519_key": "private\n",
    "/root/original-ks.cfg": f"rootpw --iscrypted {PASSWORD_HASH}\n",
    "/var/log/installer/cdebconf/questions.dat": f"Value: {PASSWORD_HASH}\n",
    "/var/spool/cron/crontabs/root": "* * * * * true\n",
    "/var/log/wtmp": "login\n",
    "/var/log/lastlog": "login\n",
    "/var/log/chrony/measurements.log": "x\n",
    "/root/.ssh/id_ed25519": "private\n",
    PROOF: "done\n",
}
# The links lead out of the folders that are cleaned; what they lead to must stay.
LINKS = {"/var/log/elsewhere": "/opt/outside", "/tmp/passwd": "/etc/passwd", "/var/run": "/run"}
# Lines that are dropped from files that stay.
DROPPED = {
    "/etc/hosts": "127.0.1.1 template\n",
    "/etc/NetworkManager/system-connections/eth0.nmconnection": "mac-address=52:54:00:00:00:01\n",
}


def tree(fstab: str) -> dict[str, str]:
    """Return path and content of every file; a path that ends in a slash is a folder."""
    files = {**_dirt_of_every_operation(), **SYSTEM, **KEPT, **DIRT, "/etc/fstab": fstab}
    for path, line in DROPPED.items():
        files[path] += line
    return {path: text for path, text in files.items() if not any(other.startswith(f"{path}/") for other in files)}


def _dirt_of_every_operation() -> dict[str, str]:
    """Return a file for every pattern that an operation removes."""
    patterns = {
        pattern
        for operation in CORE
        if operation.default
        for step in operation.steps
        if isinstance(step, Remove)
        for pattern in step.patterns
    }
    return {_example(pattern): "dirt\n" for pattern in patterns if not pattern.startswith("/var/run/")}


def _example(pattern: str) -> str:
    *parents, name = pattern.split("/")
    folders = [part.replace("*", "dir") for part in parents]
    return "/".join((*folders, name.replace("[!.]", "x").replace("?", "y").replace("*", "leaf")))


def archive(files: Mapping[str, str], target: Path) -> None:
    """Write the files and LINKS as a tar archive, everything owned by root."""
    with tarfile.open(target, "w") as tar:
        for path, content in sorted(files.items()):
            member = tarfile.TarInfo(path.strip("/"))
            member.type = tarfile.DIRTYPE if path.endswith("/") else tarfile.REGTYPE
            member.mode = 0o755 if path.endswith("/") else 0o640
            member.size = len(content.encode())
            tar.addfile(member, io.BytesIO(content.encode()))
        for path, link in LINKS.items():
            member = tarfile.TarInfo(path.strip("/"))
            member.type, member.linkname = tarfile.SYMTYPE, link
            tar.addfile(member)


def make_disks(folder: Path, xfs: Path | None) -> None:
    """Make plain.qcow2 (ext4), lvm.qcow2 (/ on XFS if `xfs` is an empty file system, else ext4; /boot apart)."""
    archive(tree("/dev/vda1 / ext4 defaults 0 1\n"), folder / "plain.tar")
    archive(tree("/dev/mapper/vg0-root / auto defaults 0 1\n/dev/vda1 /boot ext4 defaults 0 1\n"), folder / "lvm.tar")
    plain, lvm = str(folder / "plain.qcow2"), str(folder / "lvm.qcow2")
    run_in_appliance(
        ("disk_create", plain, "qcow2", GIB),
        ("disk_create", lvm, "qcow2", GIB),
        ("add_drive_opts", plain, {"format": "qcow2", "cachemode": "unsafe"}),
        ("add_drive_opts", lvm, {"format": "qcow2", "cachemode": "unsafe"}),
        ("launch",),
        ("part_disk", "/dev/sda", "gpt"),
        ("mkfs", "ext4", "/dev/sda1"),
        ("mount", "/dev/sda1", "/"),
        ("tar_in", str(folder / "plain.tar"), "/"),
        ("umount", "/"),
        ("part_init", "/dev/sdb", "gpt"),
        ("part_add", "/dev/sdb", "p", 2048, 206847),
        ("part_add", "/dev/sdb", "p", 206848, -2048),
        ("mkfs", "ext4", "/dev/sdb1"),
        ("pvcreate", "/dev/sdb2"),
        ("vgcreate", "vg0", ["/dev/sdb2"]),
        ("lvcreate", "root", "vg0", 600),
        ("upload", str(xfs), "/dev/vg0/root") if xfs else ("mkfs", "ext4", "/dev/vg0/root"),
        ("mount", "/dev/vg0/root", "/"),
        ("mkdir", "/boot"),
        ("mount", "/dev/sdb1", "/boot"),
        ("tar_in", str(folder / "lvm.tar"), "/"),
    )


def listing(archived: Path) -> dict[str, tuple[str, str]]:
    """Return the kind and the content (or link) of every path in an archive of a root file system."""
    found = {}
    with tarfile.open(archived) as tar:
        for member in tar:
            content = member.linkname if member.issym() else ""
            if member.isfile():
                read = tar.extractfile(member)
                content = read.read().decode(errors="replace") if read else ""
            kind = "link" if member.issym() else "folder" if member.isdir() else "file"
            found["/" + member.name.strip("./")] = (kind, content)
    return found


# Calls of libguestfs' API, each a list whose last item may be its options.
_DRIVER = """
import guestfs, json, sys
g = guestfs.GuestFS(python_return_dict=True)
for name, *arguments in json.load(sys.stdin):
    options = arguments.pop() if arguments and isinstance(arguments[-1], dict) else {}
    getattr(g, name)(*arguments, **options)
g.shutdown()
"""


def empty_xfs(folder: Path) -> Path | None:
    """Make an empty XFS with the host's mkfs.xfs; the appliance of Debian has none, but can mount it."""
    program = shutil.which("mkfs.xfs", path="/usr/sbin:/sbin:/usr/bin")
    if program is None:
        return None
    image = folder / "xfs.img"
    with image.open("wb") as file:
        file.truncate(600 * 2**20)
    subprocess.run([program, "-q", image], check=True, timeout=60)
    return image


def run_in_appliance(*calls: tuple[object, ...]) -> None:
    """Make the calls, in order, in one appliance without KVM."""
    argv = [guestfs_python(), "-c", _DRIVER]
    done = subprocess.run(
        argv, input=json.dumps(calls), capture_output=True, text=True, timeout=900, check=False, env=environment()
    )
    assert done.returncode == 0, done.stderr


def environment() -> dict[str, str]:
    """Return an environment in which libguestfs neither wants libvirt nor KVM."""
    return {**os.environ, "LIBGUESTFS_BACKEND": "direct", "LIBGUESTFS_BACKEND_SETTINGS": "force_tcg"}
