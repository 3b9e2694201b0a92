"""Makes the stand-in medium: a bootable ISO that installs as Anaconda does, from Debian's packages."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shlex
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from imgpipe.adapters import process
from imgpipe.errors import HostError
from imgpipe.host import debian_mirror
from imgpipe_demo import packages, tree

HOST_PROGRAMS = ("mmdebstrap", "mksquashfs", "xorriso", "cpio", "xz", "zstd", "tar")
HOST_PACKAGES = (
    "mmdebstrap",
    "squashfs-tools",
    "xorriso",
    "cpio",
    "xz-utils",
    "tar",
    "debian-archive-keyring",
)
# Unprivileged users need this as well, and a range in /etc/subuid.
HOST_PACKAGES_UNPRIVILEGED = ("uidmap",)
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

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
    _check_host()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as folder:
        work = Path(folder)
        notify("stand-in medium: collecting the installer")
        _pack_kit(work)
        notify(f"stand-in medium: installing {len(packages.TARGET)} packages of Debian {packages.SUITE}")
        _bootstrap(work, debian_mirror.of_host().url)
        notify("stand-in medium: writing the ISO")
        _lay_out(work, int(time.time()))
        _write_iso(work / "tree", work / "finished.iso")
        (work / "finished.iso").replace(target)
    notify(f"stand-in medium: made, {target.stat().st_size >> 20} MiB")


def fingerprint() -> str:
    """Return the sha256 of what the medium is made from, apart from the packages' versions."""
    digest = hashlib.sha256()
    for name, path in _kit():
        digest.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\0".encode())
    for source in ("medium.py", "packages.py", "tree.py"):
        digest.update((_HERE / source).read_bytes())
    return digest.hexdigest()


def _check_host() -> None:
    missing = [program for program in HOST_PROGRAMS if not process.is_installed(program)]
    if missing or not KEYRING.is_file():
        wanted = ", ".join(f"'{name}'" for name in missing) or f"'{KEYRING}'"
        raise HostError(
            f"The stand-in medium cannot be made: {wanted} is missing.",
            hint=f"Install the packages {' '.join(HOST_PACKAGES)} (names of Debian).",
        )


def _kit() -> Iterator[tuple[str, Path]]:
    """Yield every file that goes into the guest, by its name there, in a stable order."""
    spec = importlib.util.find_spec("pykickstart")
    if spec is None or spec.origin is None:
        raise HostError("The Python package 'pykickstart' is not installed.", hint="Run './imgpipe setup'.")
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


def _pack_kit(work: Path) -> None:
    kit = work / "kit"
    for name, path in _kit():
        place = kit / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    (kit / "settings").write_text(_settings())
    process.run(
        "tar", "--create", "--file", work / "kit.tar", "--directory", work,
        "--owner=0", "--group=0", "--mode=u=rwX,go=rX", "kit",
    )  # fmt: skip


def _bootstrap(work: Path, archive: str) -> None:
    source = f"deb [signed-by={KEYRING}] {archive} {packages.SUITE} main"
    results = work / "results"
    results.mkdir()
    process.run(
        "mmdebstrap", "--mode=auto", "--variant=apt", "--architectures=amd64",
        "--format=null", "--skip=cleanup",
        f"--include={','.join(packages.TARGET)}",
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT),
        '--setup-hook=mkdir -p "$1/.imgpipe/out"',
        f"--setup-hook=tar-in {work / 'kit.tar'} /.imgpipe",
        '--essential-hook=. "$1/.imgpipe/kit/early.sh"',
        '--customize-hook=. "$1/.imgpipe/kit/root.sh"',
        *(f"--customize-hook=download /.imgpipe/out/{name} {results / name}" for name in _RESULTS),
        packages.SUITE, "/dev/null", "-",
        # By stdin, because an error shows the command, and the mirror's address is the host's own business.
        stdin=source,
        timeout_s=3600,
        env=_temporary_folder(work),
    )  # fmt: skip


def _temporary_folder(work: Path) -> dict[str, str]:
    # The mapped user of an unprivileged build may not enter our folder; /tmp lets everybody in.
    return {"TMPDIR": os.fspath(work)} if os.geteuid() == 0 else {}


def _settings() -> str:
    """Return the package lists as variables for the hooks' scripts."""
    values = {
        "INITRD_APPLETS": packages.INITRD_APPLETS,
        "INITRD_MODULES": packages.INITRD_MODULES,
        "TARGET_MODULES": packages.TARGET_MODULES,
        "PACKING": _PACKING,
    }
    return "".join(f"{name}={shlex.quote(' '.join(words))}\n" for name, words in values.items())


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
