"""The files of the stand-in virtio-win ISO: the real one's names and places, and dummies that say that they are.

Layout: virtio-win/virtio-win-pkg-scripts (util/filemap.py, virtio-win.spec); `data/info.json` lists every driver.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from imgpipe.media.request import STAND_IN_FAMILY

VERSION = "0.1.285"
VOLUME_ID = f"virtio-win-{VERSION}"
DUMMY = "This is imgpipe's stand-in for {name} of a virtio-win ISO: it does nothing.\r\n"

_ALL = (
    *("xp", "2k3", "2k8", "2k8R2", "w7", "w8", "w8.1", "2k12", "2k12R2"),
    *("w10", "2k16", "2k19", "w11", "2k22", "2k25"),
)
_SINCE_VISTA = _ALL[2:]
_SINCE_7 = _ALL[3:]
_SINCE_8 = _ALL[5:]
_SINCE_10 = _ALL[9:]
_QXLDOD = ("w8", "w8.1", "2k12", "2k12R2", "w10", "2k16", "2k19")
# By folder: the inf files, and the systems that have it.
_DRIVERS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "Balloon": (("balloon",), _ALL),
    "NetKVM": (("netkvm",), _ALL),
    "fwcfg": (("fwcfg",), _SINCE_10),
    "pvpanic": (("pvpanic", "pvpanic-pci"), _SINCE_VISTA),
    "qemufwcfg": (("qemufwcfg",), _SINCE_10),
    "qemupciserial": (("qemupciserial",), _SINCE_VISTA),
    "qxl": (("qxl",), ("2k8R2", "w7")),
    "qxldod": (("qxldod",), _QXLDOD),
    "smbus": (("smbus",), ("2k8",)),
    "sriov": (("vioprot",), _SINCE_8),
    "viofs": (("viofs",), _SINCE_8),
    "viogpudo": (("viogpudo",), _SINCE_8),
    "vioinput": (("vioinput",), _SINCE_7),
    "viomem": (("viomem",), _SINCE_10),
    "viorng": (("viorng",), _SINCE_VISTA),
    "vioscsi": (("vioscsi",), _SINCE_VISTA),
    "vioserial": (("vioser",), _ALL),
    "viosock": (("viosock",), _SINCE_10),
    "viostor": (("viostor",), _ALL),
}
# The storage drivers once more, in folders that Setup's own dialog is pointed at.
_FLAT = ("viostor", "vioscsi")
# Devices that Windows has a driver for already: only named by these.
_WITHOUT_SYS = {"qemufwcfg", "qemupciserial", "smbus", "vioprot"}
_PLAIN = (
    "cert/Virtio_Win_Red_Hat_CA.cer",
    "guest-agent/qemu-ga-i386.msi",
    "guest-agent/qemu-ga-x86_64.msi",
    "virtio-win-gt-x64.msi",
    "virtio-win-gt-x86.msi",
    "virtio-win-guest-tools.exe",
    "virtio-win_license.txt",
)
# Client systems and the first servers still have 32-bit editions.
_X86 = ("xp", "2k3", "2k8", "w7", "w8", "w8.1", "w10")
_ARM64 = ("w10", "w11")
_VERSION_OF = {"2k8R2": "61.85.104.17300", "w7": "61.85.104.17300", "2k12R2": "62.93.104.24000"}
_WINDOWS_VERSION = {"xp": "XP", "2k3": "2003", "2k8": "2008", "2k8R2": "2008 R2", "2k12": "2012", "2k12R2": "2012 R2"}
_WINDOWS_VERSION |= {"2k16": "2016", "2k19": "2019", "2k22": "2022", "2k25": "2025"}


def files() -> dict[str, str]:
    """Return every file's text by its path."""
    tree = {path: DUMMY.format(name=path) for path in _PLAIN}
    for folder, infs, system, arch in _packages():
        tree |= _driver(f"{folder}/{system}/{arch}", infs, system, arch)
        if folder in _FLAT and system in _SINCE_10:
            flat = {"amd64": "amd64", "x86": "i386"}.get(arch)
            if flat:
                tree |= _driver(f"{flat}/{system}", infs, system, arch)
        if folder == "Balloon":
            tree[f"{folder}/{system}/{arch}/blnsvr.exe"] = DUMMY.format(name="blnsvr.exe")
    tree["data/info.json"] = info()
    tree[".treeinfo"] = treeinfo("imgpipe's stand-in for a virtio-win ISO. No driver is on it.")
    return tree


def treeinfo(title: str) -> str:
    """Return the `.treeinfo` by which imgpipe tells a stand-in from what it stands for; the real ones have none."""
    return f"[general]\nname = {title}\nfamily = {STAND_IN_FAMILY}\nanswers = unattend\n"


def info() -> str:
    """Return `data/info.json`: the drivers with architecture, version, place and Windows version."""
    entries = [
        {
            "arch": arch,
            "driver_version": _VERSION_OF.get(system, "100.101.104.28500"),
            "inf_path": f"{folder}/{system}/{arch}/{inf}.inf",
            "name": inf,
            "windows_version": _WINDOWS_VERSION.get(system, system.removeprefix("w")),
        }
        for folder, infs, system, arch in _packages()
        for inf in infs
    ]
    return json.dumps({"drivers": entries}, indent=2) + "\n"


def _packages() -> Iterator[tuple[str, tuple[str, ...], str, str]]:
    for folder, (infs, systems) in _DRIVERS.items():
        for system in systems:
            yield folder, infs, system, "amd64"
            if system in _X86:
                yield folder, infs, system, "x86"
            if system in _ARM64:
                yield folder, infs, system, "ARM64"


def _driver(folder: str, infs: tuple[str, ...], system: str, arch: str) -> dict[str, str]:
    made = {}
    kinds = ("cat",) if set(infs) & _WITHOUT_SYS else ("sys", "cat")
    for name in infs:
        # The stand-in Setup reads the first line: it loads only what is made for the system it installs.
        first = f"; imgpipe stand-in driver for {system} {arch}\r\n"
        made[f"{folder}/{name}.inf"] = (
            f'{first}[Version]\r\nSignature = "$WINDOWS NT$"\r\nCatalogFile = {name}.cat\r\n'
            f"DriverVer = 01/01/2026,{_VERSION_OF.get(system, '100.101.104.28500')}\r\n"
        )
        for kind in kinds:
            made[f"{folder}/{name}.{kind}"] = DUMMY.format(name=f"{name}.{kind}")
    return made
