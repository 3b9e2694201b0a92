"""Makes the stand-in medium: a bootable ISO that installs as Anaconda does, from Debian's packages."""

from __future__ import annotations

import hashlib
import importlib.util
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from imgpipe.adapters import process
from imgpipe.errors import HostError
from imgpipe.media import debian_root
from imgpipe.media.debian_root import DebianRoot
from imgpipe_demo import packages, tree

HOST_PROGRAMS = (*debian_root.PROGRAMS, "mksquashfs", "xorriso", "cpio", "xz", "zstd")
HOST_PACKAGES = (*debian_root.HOST_PACKAGES, "squashfs-tools", "xorriso", "cpio", "xz-utils")
# Unprivileged users need this as well, and a range in /etc/subuid.
HOST_PACKAGES_UNPRIVILEGED = ("uidmap",)

Notify = Callable[[str], None]

_HERE = Path(__file__).parent
_RESULTS = ("vmlinuz", "initrd.img", "install.img", "rootfs.img", "rootfs.tar.zst", "packages")
_LEFT_OUT = (
    *("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/info/*", "/usr/share/locale/*"),
    *("/usr/share/lintian/*", "/usr/share/gnome/*", "/usr/share/help/*", "/usr/share/bug/*"),
    # Names for hardware no virtual machine has: a third of every initramfs.
    "/usr/lib/udev/hwdb.d/*",
    # Every file costs an emulated guest its time: a tenth of them all, and what needs a tenth of the bytes.
    "/usr/share/bash-completion/completions/*",
    *("/usr/sbin/xfs_scrub", "/usr/lib/x86_64-linux-gnu/libicu*", "/usr/lib/grub/x86_64-efi/monolithic/*"),
)
# LZ4 is the one that an emulated guest unpacks about as fast as it reads. Without fragments, because the
# kernel unpacks a whole one again for nearly every small file in it.
_PACKING = ("-comp", "lz4", "-b", "128K", "-no-fragments", "-noI")


def make(target: Path, notify: Notify) -> None:
    """Make the ISO at `target`, which exists only when it is whole.

    Raises HostError if a program or a mirror is missing, or if a step fails.
    """
    debian_root.check_host(HOST_PROGRAMS, HOST_PACKAGES)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as folder:
        work = Path(folder)
        notify(f"stand-in medium: installing {len(packages.TARGET)} packages of Debian {packages.SUITE}")
        debian_root.build(_root(), work)
        notify("stand-in medium: writing the ISO")
        _lay_out(work, int(time.time()))
        _write_iso(work / "tree", work / "finished.iso")
        (work / "finished.iso").replace(target)
    notify(f"stand-in medium: made, {target.stat().st_size >> 20} MiB")


def fingerprint() -> str:
    """Return the sha256 of what the medium is made from, apart from the packages' versions."""
    return debian_root.digest(_kit(), (_HERE / name for name in ("medium.py", "packages.py", "tree.py")))


def _kit() -> Iterator[tuple[str, Path]]:
    """Yield every file that goes into the guest, by its name there, in a stable order."""
    spec = importlib.util.find_spec("pykickstart")
    if spec is None or spec.origin is None:
        raise HostError("The Python package 'pykickstart' is not installed.", hint="Run 'imgpipe host setup'.")
    roots = (
        ("installer", _HERE / "installer"),
        ("pykickstart", Path(spec.origin).parent),
        ("requests", _HERE / "build" / "requests"),
    )
    for name in ("early.sh", "root.sh", "init", "start"):
        yield name, _HERE / "build" / name
    for name, root in roots:
        for path in sorted(root.rglob("*.py")):
            yield f"{name}/{path.relative_to(root)}", path


def _root() -> DebianRoot:
    return DebianRoot(
        suite=packages.SUITE,
        variant="apt",
        packages=packages.TARGET,
        kit=tuple(_kit()),
        scripts=(("essential", "early.sh"), ("customize", "root.sh")),
        last_hook="customize",
        results=_RESULTS,
        settings={
            "INITRD_APPLETS": packages.INITRD_APPLETS,
            "INITRD_MODULES": packages.INITRD_MODULES,
            "TARGET_MODULES": packages.TARGET_MODULES,
            "PACKING": _PACKING,
        },
        left_out=_LEFT_OUT,
    )


def _lay_out(work: Path, made_at: int) -> None:
    """Put the results where a Rocky ISO has them."""
    results, root = work / "results", work / "tree"
    order = (tree.KERNEL, tree.INITRD, tree.STAGE2, tree.ROOTFS, tree.PAYLOAD, tree.PACKAGES)
    places = dict(zip(_RESULTS, order, strict=True))
    checksums = {}
    for name, place in places.items():
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        (results / name).rename(path)
        with path.open("rb") as file:
            checksums[place] = hashlib.file_digest(file, "sha256").hexdigest()
    (root / ".treeinfo").write_text(tree.treeinfo(checksums, made_at))
    (root / ".discinfo").write_text(tree.discinfo(made_at))


def _write_iso(root: Path, iso: Path) -> None:
    process.run(
        "xorriso", "-as", "mkisofs", "-quiet", "-rock", "-joliet", "-joliet-long",
        "-volid", tree.VOLUME_ID,
        "-output", iso, root,
    )  # fmt: skip
