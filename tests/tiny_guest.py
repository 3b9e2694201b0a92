"""A guest of some 3 MiB that boots in seconds: the host's own kernel, busybox and one script.

What the script does is chosen by `act=` on the kernel's command line; it plays an installer that works, or one that
fails in every way we know.
"""

from __future__ import annotations

import shutil
import stat
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

PROOF = "TINY INSTALL OK"
MODULES = ("virtio_pci", "virtio_blk", "virtio_console")
NO_SCRIPTS: Mapping[str, str] = {}

START = """#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /tmp
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox --install -s /bin
export PATH=/bin
echo 1 > /proc/sys/kernel/printk
for module in $(cat /modules/order); do insmod /modules/$module; done
"""
"""How every guest's script begins: its file systems are there, its programs and its modules."""

INIT = (
    START
    + r"""act=$(sed -n 's/.*act=\([a-z-]*\).*/\1/p' /proc/cmdline)
say() { echo "$1" > /dev/ttyS0; }
log() { for port in /dev/vport*; do [ -c $port ] && echo "$1" > $port; done; }
say "tiny installer started for '$act'"
say "Partitioning"
log "the log channel works"
[ -b /dev/vda ] && [ "$act" != full ] && dd if=/dev/zero of=/dev/vda bs=1M count=4 conv=fsync 2>/dev/null
say "Installing tiny.x86_64 (1/2)"
say "Installing busybox.x86_64 (2/2)"
sync
case $act in
good) say "PROOF"; poweroff -f ;;
slow) sleep 15; say "PROOF"; poweroff -f ;;
proof-twice) say "PROOF"; say "PROOF"; poweroff -f ;;
no-proof) poweroff -f ;;
reboot) say "PROOF"; reboot -f ;;
reboot-no-proof) reboot -f ;;
panic) echo c > /proc/sysrq-trigger ;;
emergency) say "Entering emergency mode. Exit the shell to continue."; sleep 100000 ;;
failure) say "TINY INSTALL FAILED"; sleep 100000 ;;
log-trouble) log "ERR storage configuration failed: no disks"; sleep 100000 ;;
question) say "Please make a selection from the above ['c' to continue]:"; sleep 100000 ;;
silent) sleep 100000 ;;
full) while :; do dd if=/dev/urandom of=/dev/vda bs=1M count=256 2>/dev/null; sync; done ;;
work) n=0; while :; do n=$((n+1)); dd if=/dev/zero of=/dev/vda bs=64k count=1 conv=fsync 2>/dev/null; sleep 1; done ;;
noise) printf '\033[2J\033[1;31mBEL\007\033[0m\033]0;title\007\n'; head -c 4194304 /dev/urandom > /dev/ttyS0
       say ""; say "PROOF"; poweroff -f ;;
esac
sleep 100000
"""
)


def lacking() -> str:
    """Say what is missing to make the guest; empty if nothing is."""
    if not _kernel().is_file():
        return f"no kernel '{_kernel()}'"
    if not _busybox():
        return "no static busybox"
    return "" if _modules_folder().is_dir() else f"no modules in '{_modules_folder()}'"


def make(
    folder: Path, init: str = INIT, modules: Sequence[str] = MODULES, scripts: Mapping[str, str] = NO_SCRIPTS
) -> tuple[Path, Path]:
    """Make kernel and initrd in `folder`; return their paths. `scripts` are further programs in its root."""
    kernel, initrd = folder / "vmlinuz", folder / "initrd"
    shutil.copyfile(_kernel(), kernel)
    found = _module_files(modules)
    files = {
        "init": (init.replace("PROOF", PROOF).encode(), 0o755),
        **{name: (text.encode(), 0o755) for name, text in scripts.items()},
        "bin/busybox": (Path(_busybox()).read_bytes(), 0o755),
        "modules/order": ("\n".join(path.name for path in found).encode(), 0o644),
        **{f"modules/{path.name}": (path.read_bytes(), 0o644) for path in found},
    }
    with initrd.open("wb") as archive:
        for name in ("bin", "modules", "dev"):
            archive.write(_entry(name, b"", stat.S_IFDIR | 0o755))
        for name, (content, mode) in files.items():
            archive.write(_entry(name, content, stat.S_IFREG | mode))
        # Before the script mounts /dev, the kernel opens this for its standard output.
        archive.write(_entry("dev/console", b"", stat.S_IFCHR | 0o600, device=(5, 1)))
        archive.write(_entry("TRAILER!!!", b"", 0))
    return kernel, initrd


def _entry(name: str, content: bytes, mode: int, device: tuple[int, int] = (0, 0)) -> bytes:
    """Return one member of a cpio archive in the format newc (cpio(5))."""
    encoded = name.encode() + b"\0"
    numbers = (0, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(encoded), 0)
    head = b"070701" + b"".join(b"%08X" % number for number in numbers) + encoded
    return _padded(head) + _padded(content)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)


def _kernel() -> Path:
    return max(Path("/boot").glob("vmlinuz-*"), key=lambda path: path.stat().st_mtime, default=Path("/boot/vmlinuz"))


def _modules_folder() -> Path:
    return Path("/lib/modules") / _kernel().name.removeprefix("vmlinuz-")


def _busybox() -> str:
    return shutil.which("busybox") or ""


def _module_files(modules: Sequence[str]) -> list[Path]:
    found: list[Path] = []
    for module in modules:
        told = subprocess.run(
            ["modprobe", "--show-depends", "--set-version", _modules_folder().name, module],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        paths = [Path(line.split()[1]) for line in told.splitlines() if line.startswith("insmod ")]
        found += [path for path in paths if path not in found]
    return found
