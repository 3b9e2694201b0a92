"""A KVM host with SELinux as a disk that boots at once: Debian 13, its reference policy, libvirt and this checkout.

All is done on the machine of the tests, which needs no SELinux for it: packages are installed by mmdebstrap, labels
are written by setfiles (extended attributes are), and mke2fs takes them over into the disk.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from imgpipe.media import debian_root
from imgpipe.media.debian_root import DebianRoot
from imgpipe.settings import checkout

SUITE = "trixie"
PYTHON = "3.13"
"""The suite and its Python, for which wheels are fetched."""
_PROGRAMS = (*debian_root.PROGRAMS, "mke2fs", "git", "qemu-system-x86_64")
_PACKAGES = (
    *("systemd-sysv", "udev", "dbus", "kmod", "procps", "iproute2", "linux-image-cloud-amd64", "initramfs-tools"),
    *("selinux-basics", "selinux-policy-default", "policycoreutils-python-utils", "auditd"),
    *("libvirt-daemon-system", "libvirt-clients", "qemu-system-x86", "qemu-utils", "ovmf"),
    *("python3-guestfs", "libguestfs-xfs", "xorriso", "cpio", "busybox-static"),
    # What builds libvirt's binding, which is source alone.
    *("python3-venv", "python3-dev", "libvirt-dev", "gcc", "libc6-dev", "pkgconf"),
)
_LEFT_OUT = (
    "/usr/share/man/*",
    "/usr/share/doc/*",
    "/usr/share/info/*",
    "/usr/share/locale/*",
    "/usr/lib/udev/hwdb.d/*",
)
_HERE = Path(__file__).parent
_LONGEST_DOWNLOAD_S = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class EnforcingHost:
    """What QEMU boots: a raw disk with one ext4 file system, and the kernel and initrd that are on it."""

    disk: Path
    kernel: Path
    initrd: Path


def lacking() -> str:
    """Say what is missing to make the disk; empty if nothing is."""
    if os.geteuid() != 0:
        return "only root can write SELinux labels"
    missing = [name for name in _PROGRAMS if not shutil.which(name)]
    return f"not installed: {', '.join(missing)}" if missing else ""


def make(folder: Path) -> EnforcingHost:
    """Make the host in an empty folder, in two to four minutes; raises HostError, TornMirrorError among them."""
    made = EnforcingHost(disk=folder / "disk", kernel=folder / "vmlinuz", initrd=folder / "initrd")
    root = DebianRoot(
        suite=SUITE,
        variant="minbase",
        packages=_PACKAGES,
        kit=tuple(_kit(folder / "wheels")),
        scripts=(("customize", "prepare.sh"),),
        last_hook="customize",
        results=(),
        settings={"results": (os.fspath(folder),)},
        left_out=_LEFT_OUT,
    )
    debian_root.build(root, folder)
    return made


def _kit(wheels: Path) -> Iterator[tuple[str, Path]]:
    """Yield the script, the checkout as it is now, and the wheels of its lock."""
    root = checkout()
    assert root
    _fetch_wheels(root, wheels)
    yield "prepare.sh", _HERE / "prepare.sh"
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=root, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (root / name).is_file():
            yield f"checkout/{name}", root / name
    for path in wheels.iterdir():
        yield f"wheels/{path.name}", path


def _fetch_wheels(root: Path, folder: Path) -> None:
    """Fetch what the locks name, for the host's Python: it has no network of its own."""
    platforms = (f"--platform=manylinux_{glibc}_x86_64" for glibc in ("2_17", "2_28", "2_34"))
    subprocess.run(
        [
            sys.executable, "-m", "pip", "download", "-qq", "--disable-pip-version-check",
            "--no-deps", "--no-build-isolation", "--require-hashes",
            "-r", root / "requirements-build.lock", "-r", root / "requirements.lock",
            f"--python-version={PYTHON}", "--implementation=cp", *platforms, "--platform=manylinux2014_x86_64",
            f"--abi=cp{PYTHON.replace('.', '')}", "--abi=abi3", "--abi=none",
            "--dest", folder,
        ],
        check=True, timeout=_LONGEST_DOWNLOAD_S,
    )  # fmt: skip
