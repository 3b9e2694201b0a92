"""The installer's own packages that the medium brings along, as if anna had fetched and unpacked them.

Debian's netboot initrd holds what finds and sets up a network; the rest comes from the mirror while it runs.
Here the rest is in the initrd from the start (as in Debian's "monolithic" build), so the installer depends
neither on the mirror's udebs nor on its kernel being the same as on the day the medium was made.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from imgpipe.adapters import process
from imgpipe.media import newc
from imgpipe_debian import control

ROOTS = (
    *("disk-detect", "di-utils-exit-installer", "clock-setup", "tzsetup-udeb", "user-setup-udeb"),
    *("partman-base", "partman-auto", "partman-auto-lvm", "partman-lvm", "partman-efi"),
    *("partman-ext3", "partman-xfs", "partman-basicfilesystems", "partman-basicmethods"),
    *("partman-partitioning", "partman-target"),
    *("base-installer", "bootstrap-base", "apt-setup-udeb", "apt-mirror-setup", "pkgsel"),
    *("grub-installer", "finish-install"),
)

# The same programs from the ordinary packages: not every mirror that has udebs at all has these.
REPACKED: Mapping[str, tuple[str, ...]] = {
    "e2fsprogs-udeb": ("e2fsprogs", "libext2fs2t64", "libcom-err2"),
    "xfsprogs-udeb": ("xfsprogs",),
}
_REPACKED_FILES = re.compile(
    r"(usr/sbin/(mke2fs|mkfs\.ext[234]|e2fsck|fsck\.ext[234]|resize2fs|tune2fs|mkfs\.xfs|xfs_repair)"
    r"|etc/mke2fs\.conf|usr/lib/x86_64-linux-gnu/lib(ext2fs|e2p|com_err)\.so\..*)"
)

# NTFS is of no use to a new disk.
LEFT_OUT = frozenset({"ntfs-3g-udeb", "fuse3-udeb", "libfuse3-4-udeb"})
# With everything at hand, the step that downloads components has nothing to do but fail.
_DROPPED = frozenset({"download-installer"})

# The medium's module indexes are complete, and five steps of the installer rebuild them all the same: twenty
# seconds each without KVM.
_NO_DEPMOD = newc.Entry(name="usr/sbin/depmod", mode=stat.S_IFREG | 0o755, data=b"#!/bin/sh\nexit 0\n")

_STATUS = "var/lib/dpkg/status"
_INFO = "var/lib/dpkg/info"
_STATUS_FIELDS = ("version", "provides", "depends", "installer-menu-item", "description")
_TRANSLATION = re.compile(rb"[A-Za-z_]+-[a-z]{2,3}(_[A-Z]{2})?(@[a-z]+)?\.UTF-8:")

Tree = dict[str, newc.Entry]


def tree(entries: Iterable[newc.Entry]) -> Tree:
    """Return entries by name."""
    return {entry.name: entry for entry in entries}


def status(base: Tree) -> dict[str, dict[str, str]]:
    """Return what an initrd's dpkg says is installed, by name."""
    return control.packages(base[_STATUS].data.decode())


def unpack(package: Path, folder: Path) -> Tree:
    """Return the files of a udeb and, under dpkg's names, its scripts and templates."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    process.run("dpkg-deb", "--raw-extract", package, folder)
    name = package.name.partition("_")[0]
    found: Tree = {}
    for entry in newc.scan(folder):
        top, _, rest = entry.name.partition("/")
        if top != "DEBIAN":
            found[entry.name] = entry
        elif rest and rest not in {"control", "md5sums"}:
            inside = f"{_INFO}/{name}.{rest}"
            found[inside] = newc.Entry(name=inside, mode=entry.mode, data=entry.data)
    return found


def repacked(package: Path, folder: Path) -> Tree:
    """Return what of an ordinary package stands in for a udeb."""
    return {name: entry for name, entry in unpack(package, folder).items() if _REPACKED_FILES.fullmatch(name)}


def overlay(base: Tree, added: Iterable[Tree], installed: Iterable[control.Stanza]) -> list[newc.Entry]:
    """Return what must follow `base` in the initrd: its entries win over those before them."""
    result: Tree = {_NO_DEPMOD.name: _NO_DEPMOD}
    for name, entry in base.items():
        if name.startswith(f"{_INFO}/") and name.endswith(".templates"):
            result[name] = _english(entry)
    for part in added:
        for entry in part.values():
            placed = _placed(base, entry)
            result[placed.name] = _english(placed) if placed.name.endswith(".templates") else placed
    text = merged_status(base[_STATUS].data.decode(), installed)
    result[_STATUS] = newc.Entry(name=_STATUS, mode=base[_STATUS].mode, data=text.encode())
    return _with_parents(base, result)


def merged_status(text: str, installed: Iterable[control.Stanza]) -> str:
    """Return dpkg's status text with `installed` added as unpacked: the main menu configures them in turn."""
    kept = [part for part in text.strip().split("\n\n") if not _is_dropped(part)]
    for fields in installed:
        lines = [f"Package: {fields['package']}", "Status: install ok unpacked"]
        lines += [f"{name.title()}: {_first_line(fields[name])}" for name in _STATUS_FIELDS if name in fields]
        kept.append("\n".join(lines))
    return "\n\n".join(kept) + "\n\n"


def _is_dropped(paragraph: str) -> bool:
    return bool(_DROPPED & control.packages(paragraph).keys())


def _first_line(value: str) -> str:
    return value.partition("\n")[0]


def _english(entry: newc.Entry) -> newc.Entry:
    # Every installation is unattended. Translations are nine tenths of what is loaded at start, which takes
    # half a minute without KVM.
    kept: list[bytes] = []
    skipping = False
    for line in entry.data.splitlines(keepends=True):
        if not line.startswith((b" ", b"\t")):
            skipping = _TRANSLATION.match(line) is not None
        if not skipping:
            kept.append(line)
    return newc.Entry(name=entry.name, mode=entry.mode, data=b"".join(kept))


def _placed(base: Tree, entry: newc.Entry) -> newc.Entry:
    # An older package's /lib/x must go where the initrd's link /lib points: a folder of that name would
    # replace the link when the kernel unpacks it.
    top, slash, rest = entry.name.partition("/")
    link = base.get(top)
    if link is None or not stat.S_ISLNK(link.mode):
        return entry
    return newc.Entry(name=link.data.decode() + slash + rest, mode=entry.mode, data=entry.data)


def _with_parents(base: Tree, wanted: Tree) -> list[newc.Entry]:
    result = {name: entry for name, entry in wanted.items() if not (name in base and stat.S_ISDIR(entry.mode))}
    for name in list(result):
        for parent in Path(name).parents:
            folder = parent.as_posix()
            if folder != "." and folder not in base and folder not in result:
                result[folder] = newc.Entry(name=folder, mode=stat.S_IFDIR | 0o755)
    return [result[name] for name in sorted(result)]
