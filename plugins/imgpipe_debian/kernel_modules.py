"""Modules of the installer's kernel that Debian keeps in udebs and the medium takes from the kernel package.

Both are one build (the same version of the same source), and every mirror has the kernel package, which is
not so of the udebs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from imgpipe.adapters import process
from imgpipe.errors import HostError

# What the virtual machines that imgpipe makes can have, and the file systems and LVM of its layouts.
WANTED = (
    *("virtio_pci", "virtio_blk", "virtio_scsi", "virtio_net", "virtio_rng", "virtio_console"),
    *("ahci", "ata_piix", "nvme", "sd_mod", "sr_mod", "usb_storage"),
    *("dm_mod", "dm_snapshot"),
    *("ext4", "xfs", "vfat", "isofs", "efivarfs", "loop"),
    *("nls_ascii", "nls_cp437", "nls_iso8859_1", "nls_utf8"),
    # Asked for by name when ext4 and xfs are mounted, so no dependency says it.
    *("crc32c_generic", "crc32c_intel"),
)


def select(dependencies: str, built_in: str, wanted: Iterable[str] = WANTED) -> list[str]:
    """Return the files of `wanted` and of what they need, from modules.dep and modules.builtin.

    Raises HostError for a module that this kernel does not know: the installer would miss a disk much later.
    """
    files: dict[str, str] = {}
    needs: dict[str, list[str]] = {}
    for line in dependencies.splitlines():
        path, _, needed = line.partition(":")
        files[_name(path)] = path
        needs[path] = needed.split()
    inside = {_name(line) for line in built_in.splitlines()}
    unknown = sorted(name for name in wanted if name not in files and name not in inside)
    if unknown:
        raise HostError(f"The installer's kernel has no module '{unknown[0]}'.", details=unknown)
    # modules.dep lists all dependencies, not only the direct ones.
    chosen = [files[name] for name in wanted if name in files]
    return sorted({*chosen, *(path for file in chosen for path in needs[file])})


def index(tree: Path, release: str) -> None:
    """Write the indexes of the modules below `tree`/lib/modules/`release`, as modprobe reads them."""
    process.run("depmod", "--basedir", tree, release)


def release_of(status: Mapping[str, Mapping[str, str]]) -> tuple[str, str]:
    """Return the release and the package version of the kernel an installer's status file tells of."""
    for name, fields in status.items():
        found = re.fullmatch(r"kernel-image-(.+)-di", name)
        if found:
            return found[1], fields["version"]
    raise HostError("The installer's initrd does not say which kernel it is for.")


def _name(path: str) -> str:
    return Path(path).name.partition(".ko")[0].replace("-", "_")
