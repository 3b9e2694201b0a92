"""An installation medium made from Debian's packages, for hosts that have a mirror but no Debian ISO.

Kernel and installer are those of the package debian-installer-13-netboot-amd64, unchanged; a second archive
that follows the initrd brings what the installer would download (see `udebs` and `kernel_modules`). The base
system is not on the medium: the answers name the mirror it comes from.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from imgpipe.adapters import process
from imgpipe.host import deb822, debian_mirror
from imgpipe.media import newc
from imgpipe_debian import archive, control, kernel_modules, udebs

SUITE = "trixie"
VOLUME_ID = "imgpipe-debian-13-netboot"
KERNEL = "install.amd/vmlinuz"
INITRD = "install.amd/initrd.gz"

_PACKAGE = "debian-installer-13-netboot-amd64"
_IMAGES = "usr/lib/debian-installer/images/13/amd64/text/debian-installer/amd64"
_SHAPED_BY = (archive, control, deb822, kernel_modules, newc, udebs)
# Dates on the medium say nothing and would make each one differ: all are this one (2025-08-09, Debian 13).
_EPOCH = 1754697600


def make(target: Path, notify: archive.Notify) -> None:
    """Write the medium as `target`, which appears only when it is whole; takes about a minute.

    Raises HostError if this host has no Debian mirror, or it cannot be reached or verified.
    """
    source = debian_mirror.of_host()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as name:
        folder = Path(name)
        notify(f"Reading the indexes of Debian's suite '{SUITE}'")
        packages = archive.open_archive(source, SUITE, folder / "apt", notify)
        parts = _assemble(packages, folder, notify)
        notify("Writing the medium")
        _write_iso(parts, folder).replace(target)


def fingerprint() -> str:
    """Return a name for what shapes the medium: this code, not the mirror, whose changes it outlives."""
    digest = hashlib.sha256()
    for path in sorted({__file__, *(str(module.__file__) for module in _SHAPED_BY)}):
        digest.update(Path(path).read_bytes())
    return digest.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    version: str
    kernel: bytes
    initrd: bytes


def _assemble(packages: archive.Archive, folder: Path, notify: archive.Notify) -> _Parts:
    notify("Downloading debian-installer")
    (package,) = packages.download([_PACKAGE], folder / "installer")
    version = package.name.split("_")[1]
    process.run("dpkg-deb", "--extract", package, folder / "images")
    images = folder / "images" / _IMAGES
    kernel, initrd = (images / "linux").read_bytes(), (images / "initrd.gz").read_bytes()
    base = udebs.tree(newc.read(gzip.decompress(initrd)))
    installed = udebs.status(base)
    index = packages.installer_packages()
    wanted = control.closure(udebs.ROOTS, index, installed.keys() | udebs.LEFT_OUT | _provided(installed))

    notify(f"Downloading {len(wanted)} components of the installer")
    added = _components(packages, folder, wanted)
    notify("Downloading the kernel's modules")
    added.append(_modules(packages, folder, base))
    entries = udebs.overlay(base, added, [index[name] for name in wanted])
    notify("Packing the initrd")
    return _Parts(version=version, kernel=kernel, initrd=initrd + gzip.compress(newc.write(entries), 6, mtime=0))


def _provided(installed: dict[str, dict[str, str]]) -> set[str]:
    fields = [package.get("provides", "") for package in installed.values()]
    return {name for field in fields for names in control.names(field) for name in names}


def _components(packages: archive.Archive, folder: Path, wanted: list[str]) -> list[udebs.Tree]:
    fetched = [name for name in wanted if name not in udebs.REPACKED]
    ordinary = [name for udeb in wanted for name in udebs.REPACKED.get(udeb, ())]
    files = packages.download(fetched, folder / "udebs")
    found = [udebs.unpack(path, folder / "unpacked" / path.stem) for path in files]
    files = packages.download(ordinary, folder / "debs")
    return found + [udebs.repacked(path, folder / "unpacked" / path.stem) for path in files]


def _modules(packages: archive.Archive, folder: Path, base: udebs.Tree) -> udebs.Tree:
    release, version = kernel_modules.release_of(udebs.status(base))
    (package,) = packages.download([f"linux-image-{release}={version}"], folder / "kernel")
    whole, chosen = folder / "linux" / "usr", folder / "modules"
    process.run("dpkg-deb", "--extract", package, whole.parent)
    kernel_modules.index(whole, release)
    place = f"lib/modules/{release}"
    texts = [(whole / place / name).read_text() for name in ("modules.dep", "modules.builtin")]
    for name in kernel_modules.select(*texts):
        _put(chosen / place / name, (whole / place / name).read_bytes())
    # modprobe needs one index over the modules that are there already and the added ones.
    for entry in base.values():
        if entry.name.startswith(f"usr/{place}/") and entry.name.rpartition(".")[2] in {
            "ko",
            "xz",
            "order",
            "builtin",
        }:
            _put(chosen / entry.name.removeprefix("usr/"), entry.data)
    for name in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
        _put(chosen / place / name, (whole / place / name).read_bytes())
    kernel_modules.index(chosen, release)
    return {
        name: entry
        for name, entry in udebs.tree(newc.scan(chosen)).items()
        if f"usr/{name}" not in base or "/modules." in name
    }


def _put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _write_iso(parts: _Parts, folder: Path) -> Path:
    root, iso = folder / "iso", folder / "medium.iso"
    about = (
        f'Debian GNU/Linux 13 "Trixie" - imgpipe netboot amd64 {parts.version}, '
        "assembled by imgpipe from Debian's packages\n"
    )
    _put(root / ".disk/info", about.encode())
    _put(root / KERNEL, parts.kernel)
    _put(root / INITRD, parts.initrd)
    for path in (root, *root.rglob("*")):
        os.utime(path, (_EPOCH, _EPOCH))
    process.run(
        "xorriso", "-as", "mkisofs", "-quiet", "-volid", VOLUME_ID, "-joliet", "-rock", "-output", iso, root,
        env={"SOURCE_DATE_EPOCH": str(_EPOCH)},
    )  # fmt: skip
    return iso
