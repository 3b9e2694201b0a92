"""A guest that is a folder: what the first-boot script reads and writes, and programs that only note their use."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

from imgpipe.identity.first_boot import OPERATION
from imgpipe.offline_edits import WriteFile

TOOLS = (
    "base64", "cat", "chmod", "cut", "dirname", "echo", "expr", "grep", "gzip", "head", "ls", "mkdir", "mv", "readlink",
    "rm", "sed", "sha256sum", "sleep", "sort", "sync", "timeout", "tr", "uname",
)  # fmt: skip
"""What every system that imgpipe knows has in its smallest set of packages."""
PASSWD = "root:x:0:0:root:/root:/bin/bash\nbob:x:1001:1001::/home/bob:/bin/sh\n"
GROUPS = "root:x:0:\nwheel:x:10:\nbob:x:1001:\n"

USERADD = """for name in "$@"; do :; done
echo "$name:x:1000:1000::/home/$name:/bin/bash" >> "$ROOT/etc/passwd"
mkdir -p "$ROOT/home/$name"
"""
MOUNT = """for target in "$@"; do :; done
cat "$ROOT/cd" > "$target/identity"
"""
# What a disk and its partition look like after the program.
PARTX = """echo 41900000 > "$ROOT/sys/devices/vda/vda3/size"
"""


class FakeGuest:
    """A root folder; `shell` is dash or busybox, whose own tools are then the only ones."""

    def __init__(self, root: Path, shell: str) -> None:
        self.root = root
        self.bin = root / "usr/bin"
        self.bin.mkdir(parents=True)
        self.shell = [str(self.bin / "sh")]
        self.standalone = shell == "busybox"
        self.programs: set[str] = set()
        real = {name: shutil.which("busybox" if shell == "busybox" else name) or "" for name in TOOLS}
        for name, path in ({"sh": shutil.which(shell) or ""} | real).items():
            (self.bin / name).symlink_to(path)
        for name in ("chown", "usermod", "restorecon", "chpasswd", "udevadm", "umount"):
            self.program(name, "")
        self.program("useradd", USERADD)
        for folder in ("etc/ssh", "proc/sys/kernel", "dev", "root", "home/bob", "run", "var/lib"):
            (root / folder).mkdir(parents=True)
        self.write("etc/passwd", PASSWD)
        self.write("etc/group", GROUPS)
        self.write("etc/hosts", "127.0.0.1 localhost\n127.0.1.1 template\n::1 localhost\n")

    def program(self, name: str, does: str) -> None:
        """Add a program that notes its arguments and its input."""
        self.programs.add(name)
        path = self.bin / name
        path.unlink(missing_ok=True)
        note = 'echo "${0##*/}" "$@" >> "$ROOT/calls"\n'
        if name in {"chpasswd", "sfdisk"}:
            note += f'cat >> "$ROOT/{name}.stdin"\n'
        path.write_text(f"#!{self.shell[0]}\n{note}{does}")
        path.chmod(0o755)

    def write(self, path: str, text: str) -> Path:
        """Write a file of the guest."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def read(self, path: str) -> str:
        """Return a file of the guest."""
        return (self.root / path).read_text()

    def mode(self, path: str) -> int:
        """Return the permissions of a file."""
        return stat.S_IMODE((self.root / path).stat().st_mode)

    def nic(self, name: str, mac: str, *, virtual: bool = False) -> None:
        """Add a NIC to sysfs; a virtual one has no device behind it."""
        self.write(f"sys/class/net/{name}/address", f"{mac}\n")
        self.write(f"sys/class/net/{name}/type", "1\n")
        if not virtual:
            (self.root / f"sys/class/net/{name}/device").mkdir()

    def strings(self, strings: tuple[str, ...]) -> None:
        """Lay out the table as the firmware does: type 11 between two other structures (SMBIOS 3.0, 6.1)."""
        first = b"\x01\x1b\x00\x01\x01\x02\n\x03" + b"\x00" * 19 + b"QEMU\0Standard PC\0\0"
        oem = b"\x0b\x05\x00\x0e" + bytes([len(strings) + 1]) + b"another string\0"
        oem += b"".join(string.encode() + b"\0" for string in strings) + b"\0"
        table = self.root / "sys/firmware/dmi/tables/DMI"
        table.parent.mkdir(parents=True, exist_ok=True)
        table.write_bytes(first + oem + b"\x7f\x04\x00\x7f\0\0")

    def seed(self, text: str, label: str) -> None:
        """Put a seed into the CD drive."""
        self.write("dev/sr0", "")
        self.write("cd", text)
        self.program("blkid", f"echo {label}\n")
        self.program("mount", MOUNT)

    def boot(self) -> subprocess.CompletedProcess[str]:
        """Run the first-boot script as the unit does."""
        return self.run("first-boot", str(self.root))

    def run(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of the operation's scripts."""
        (text,) = [step.content for step in OPERATION.steps
                   if isinstance(step, WriteFile) and step.path == f"/usr/lib/imgpipe/{name}"]  # fmt: skip
        if self.standalone:
            # Its shell prefers what is built in to what is on PATH, but functions to both.
            text = (
                "".join(
                    f'{program}() {{ "{self.bin / program}" "$@"; }}\n'
                    for program in sorted(self.programs)
                    if program.isidentifier()
                )
                + text
            )
        script = self.write(f"usr/lib/imgpipe/{name}", text)
        return subprocess.run(
            [*self.shell, str(script), *arguments],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
            env={"ROOT": str(self.root), "PATH": "/nowhere"},
        )  # fmt: skip

    def calls(self, name: str = "") -> list[str]:
        """Return the calls of a program, oldest first."""
        path = self.root / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in lines if line.split()[0] == name or not name]

    def tree(self) -> dict[str, tuple[float, int]]:
        """Return every file with when it was changed and which it is, but for notes and what goes at a boot."""
        found = {}
        for folder, _, names in os.walk(self.root):
            for path in (Path(folder, name) for name in names):
                relative = path.relative_to(self.root).as_posix()
                if relative.split("/")[0] not in {"calls", "run", "usr", "dev", "sys", "cd"}:
                    found[relative] = (path.lstat().st_mtime, path.lstat().st_ino)
        return found
