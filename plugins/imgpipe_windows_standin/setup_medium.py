"""Makes the stand-in Setup medium: a CD that behaves from outside as Windows Setup does."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import imgpipe_demo
from imgpipe.adapters import process
from imgpipe.media import debian_root
from imgpipe.media.debian_root import DebianRoot
from imgpipe_windows_standin import editions, packages
from imgpipe_windows_standin.virtio_tree import treeinfo

HOST_PROGRAMS = (*debian_root.PROGRAMS, "xorriso", "cpio", "xz")
HOST_PACKAGES = (*debian_root.HOST_PACKAGES, "xorriso", "cpio", "xz-utils")
VOLUME_ID = "IMGPIPE_WINDOWS_STANDIN"
README = "This is imgpipe's stand-in for a Windows Setup medium. No part of Windows is on it.\r\n"
LANGUAGES = ("en-US", "zh-CN")

Notify = Callable[[str], None]

_HERE = Path(__file__).parent
_DEMO = Path(imgpipe_demo.__file__).parent
_SCRIPTS = ("root.sh", "init", "disk.cfg", "closure.py", "make_images.py")
_SHARED = ("__init__.py", "installer/__init__.py", "installer/ending.py", "installer/programs.py")
_PLACES = {
    "vmlinuz": "boot/vmlinuz",
    "initrd.img": "boot/initrd.img",
    "bios.img": "boot/bios.img",
    "efi.img": "boot/efi.img",
    **{name: f"boot/disk/{name}" for name in ("boot.img", "core.img", "bootx64.efi", "grubx64.efi")},
    "install.wim": "sources/install.wim",
}


def make(target: Path, notify: Notify) -> None:
    """Make the ISO at `target`, which exists only when it is whole.

    Raises HostError if a program or a mirror is missing, or if a step fails.
    """
    debian_root.check_host(HOST_PROGRAMS, HOST_PACKAGES)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as folder:
        work = Path(folder)
        notify(f"stand-in Setup: collecting {len(packages.PACKAGES)} packages of Debian {packages.SUITE}")
        (work / "editions.json").write_text(editions.as_json())
        results = debian_root.build(_root(work / "editions.json"), work)
        notify("stand-in Setup: writing the ISO")
        _lay_out(results, work / "tree")
        _write_iso(work / "tree", work / "finished.iso")
        (work / "finished.iso").replace(target)
    notify(f"stand-in Setup: made, {target.stat().st_size >> 20} MiB")


def fingerprint() -> str:
    """Return the sha256 of what the medium is made from, apart from the packages' versions."""
    sources = [
        _HERE / name for name in ("setup_medium.py", "packages.py", "editions.py", "virtio_tree.py", "build/cd.cfg")
    ]
    return debian_root.digest(_kit(), sources)


def keys() -> bytes:
    """Return the file that gives GRUB the keys no script can write.

    Format: GRUB's environment block, 1024 bytes (its manual, "Environment block").
    """
    return b"# GRUB Environment Block\nenter=\r\nescape=\x1b\n".ljust(1024, b"#")


def _root(listed: Path) -> DebianRoot:
    return DebianRoot(
        suite=packages.SUITE,
        variant="extract",
        packages=packages.PACKAGES,
        kit=(*_kit(), ("editions.json", listed)),
        scripts=(("extract", "root.sh"),),
        last_hook="extract",
        results=tuple(_PLACES),
        settings={
            "APPLETS": packages.APPLETS,
            "CONVERSIONS": packages.CONVERSIONS,
            "GRUB_CD_MODULES": packages.GRUB_CD_MODULES,
            "GRUB_DISK_MODULES": packages.GRUB_DISK_MODULES,
            "MODULES": packages.MODULES,
            "PROGRAMS": packages.PROGRAMS,
            "PYTHON_MODULES": packages.PYTHON_MODULES,
        },
    )


def _kit() -> Iterator[tuple[str, Path]]:
    """Yield every file that goes into the build, by its name there, in a stable order."""
    for name in _SCRIPTS:
        yield name, _HERE / "build" / name
    for path in (_HERE / "__init__.py", *sorted((_HERE / "installer").glob("*.py"))):
        yield f"imgpipe_windows_standin/{path.relative_to(_HERE)}", path
    for name in _SHARED:
        yield f"imgpipe_demo/{name}", _DEMO / name


def _lay_out(results: Path, tree: Path) -> None:
    for name, place in _PLACES.items():
        path = tree / place
        path.parent.mkdir(parents=True, exist_ok=True)
        (results / name).rename(path)
    languages = "".join(f"{language} = 3\r\n" for language in LANGUAGES)
    texts = {
        "README.txt": README,
        ".treeinfo": treeinfo(README.strip()),
        # GRUB as Debian signs it for CDs finds its CD by this file.
        ".disk/info": README,
        "sources/lang.ini": f"[Available UI Languages]\r\n{languages}\r\n[Fallback Languages]\r\n",
        "boot/disk/disk.cfg": (_HERE / "build/disk.cfg").read_text(),
        "boot/grub/grub.cfg": (_HERE / "build/cd.cfg").read_text(),
    }
    for place, text in texts.items():
        path = tree / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, newline="")
    (tree / "boot/grub/keys.env").write_bytes(keys())


def _write_iso(tree: Path, iso: Path) -> None:
    process.run(
        "xorriso", "-as", "mkisofs", "-quiet", "-iso-level", "3", "-rock", "-joliet", "-joliet-long",
        "-volid", VOLUME_ID,
        "-eltorito-boot", "boot/bios.img", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table",
        "-eltorito-alt-boot", "-e", "boot/efi.img", "-no-emul-boot",
        "-output", iso, tree,
    )  # fmt: skip
