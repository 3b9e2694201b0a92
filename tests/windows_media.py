"""Media for the tests of Windows: what a Windows ISO and a virtio-win ISO hold, without Windows."""

from __future__ import annotations

import json
import struct
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from xml.etree import ElementTree as ET

from imgpipe_windows.drivers import AGENT, drivers
from imgpipe_windows.systems import RELEASES

EDITIONS = ("Windows Server 2016 SERVERSTANDARDCORE", "Windows Server 2016 SERVERSTANDARD")
# Microsoft's numbers: 9 is x64 (PROCESSOR_ARCHITECTURE_AMD64), 0 is x86.
FACTS = {"ARCH": "9", "VERSION/BUILD": "14393", "PRODUCTTYPE": "ServerNT", "LANGUAGES/LANGUAGE": "zh-CN"}


class Folder:
    """A medium that is a dictionary."""

    def __init__(self, files: dict[str, bytes], volume_id: str = "") -> None:
        self.files = files
        self.volume_id = volume_id

    def is_file(self, path: str) -> bool:
        return path.lower() in {name.lower() for name in self.files}

    def glob(self, pattern: str) -> tuple[str, ...]:
        parts = PurePosixPath(pattern).parts
        return tuple(
            sorted(
                name
                for name in self.files
                if len(PurePosixPath(name).parts) == len(parts)
                and all(
                    fnmatchcase(own.lower(), part.lower())
                    for own, part in zip(PurePosixPath(name).parts, parts, strict=True)
                )
            )
        )

    def read(self, path: str, limit: int = 2**20) -> bytes | None:
        data = self.read_part(path, 0, limit + 1) if self.is_file(path) else None
        assert data is None or len(data) <= limit
        return data

    def read_part(self, path: str, offset: int, length: int) -> bytes:
        (data,) = (data for name, data in self.files.items() if name.lower() == path.lower())
        return data[offset : offset + length]


def wim_xml(names: tuple[str, ...] = EDITIONS, **facts: str) -> str:
    """Return the description of a WIM with these images; facts by path, with '_' for '/'."""
    root = ET.Element("WIM")
    for index, name in enumerate(names, 1):
        image = ET.SubElement(root, "IMAGE", INDEX=str(index))
        ET.SubElement(image, "NAME").text = name
        windows = ET.SubElement(image, "WINDOWS")
        for path, value in {**FACTS, **{key.replace("_", "/"): fact for key, fact in facts.items()}}.items():
            place = windows
            for part in path.split("/"):
                place = ET.SubElement(place, part)
            place.text = value
    return ET.tostring(root, encoding="unicode")


def wim(xml: str, *, flags: int = 0, magic: bytes = b"MSWIM\0\0\0") -> bytes:
    """Return a file with a WIM's header and description, and nothing between."""
    data = b"\xff\xfe" + xml.encode("utf-16-le")
    gap = b"\xaa" * 1000
    resource = struct.pack("<QQQ", len(data) | flags << 56, 208 + len(gap), len(data))
    return magic.ljust(72, b"\0") + resource + bytes(208 - 96) + gap + data


def windows_medium(xml: str | None = None, name: str = "install.wim") -> Folder:
    return Folder(
        {f"sources/{name}": wim(wim_xml() if xml is None else xml), "setup.exe": b"MZ"}, "SSS_X64FRE_ZH-CN_DV9"
    )


def virtio_tree(*systems: str) -> dict[str, bytes]:
    """Return the files of a virtio-win ISO with the drivers for these of its folders, in its real layout."""
    files = {
        f"guest-agent/{AGENT}": b"msi",
        "cert/Virtio_Win_Red_Hat_CA.cer": b"cer",
        "virtio-win_license.txt": b"BSD",
    }
    listed = []
    every = {driver.name: driver for release in RELEASES.values() for driver in drivers(release)}
    for driver in every.values():
        for system in systems:
            if not _is_made(driver.folder, system):
                continue
            folder = f"{driver.folder}/{system}/amd64"
            stem = driver.inf.removesuffix(".inf")
            files |= {
                f"{folder}/{stem}.{ending}": f"{folder} {ending}".encode() for ending in ("inf", "sys", "cat", "pdb")
            }
            listed.append(
                {
                    "arch": "amd64",
                    "driver_version": "100.92.104.26000",
                    "inf_path": f"{folder}/{driver.inf}",
                    "name": driver.name,
                    "windows_version": system,
                }
            )
    files["data/info.json"] = json.dumps({"drivers": listed}).encode()
    return files


def _is_made(driver: str, system: str) -> bool:
    """Say whether virtio-win has a driver for one of its systems."""
    if driver == "qxldod":
        return system in {"w8.1", "2k12R2", "w10", "2k16", "2k19"}
    if driver == "qxl":
        return system in {"w7", "2k8R2"}
    return driver != "viogpudo" or system not in {"w7", "2k8R2"}


ALL_SYSTEMS = ("w7", "2k8R2", "w8.1", "2k12R2", "w10", "2k16", "2k19", "w11", "2k22", "2k25")


def virtio_medium(version: str = "0.1.285", systems: tuple[str, ...] = ALL_SYSTEMS) -> Folder:
    return Folder(virtio_tree(*systems), f"virtio-win-{version}")
