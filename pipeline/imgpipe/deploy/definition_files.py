"""The files that a machine's definition names, read without asking what each element is for.

Whatever looks like a path counts, because a file that is deleted though a definition names it cannot be had back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from imgpipe.libvirt_words import described


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedFiles:
    """What a machine's definitions name, the persistent and the live one: paths, and names of pools' volumes.

    `disks` are the paths of its first disk, in each definition; `nvram` those of its UEFI variables. `overlays` are
    those of any disk that may have something below it, because its definition does not say that it is raw. `tpm` says
    that it has an emulated TPM, whose state libvirt keeps. `snapshots` are the files that its external snapshots made,
    where those were asked for.
    """

    name: str
    uuid: str
    disks: tuple[str, ...]
    nvram: frozenset[str]
    files: frozenset[str]
    overlays: frozenset[str] = frozenset()
    tpm: bool = False
    snapshots: frozenset[str] = frozenset()


def named_files(*definitions: str) -> NamedFiles:
    """Read what the definitions of one machine name."""
    domains = [described(text) for text in definitions]
    tops = [disk_of(domain) for domain in domains]
    return NamedFiles(
        name=domains[0].findtext("name") or "",
        uuid=domains[0].findtext("uuid") or "",
        disks=tuple(dict.fromkeys(top for top in tops if top)),
        nvram=frozenset(text for domain in domains for text in _nvram(domain)),
        files=frozenset(text for domain in domains for text in _named(domain)),
        overlays=frozenset(text for domain in domains for text in _overlays(domain)),
        tpm=any(domain.find("devices/tpm/backend[@type='emulator']") is not None for domain in domains),
    )


def disk_of(domain: ET.Element) -> str:
    """Return the path of a machine's first disk; empty where it is not a file."""
    source = domain.find("devices/disk[@device='disk']/source")
    return "" if source is None else source.get("file", "")


def _overlays(domain: ET.Element) -> Iterator[str]:
    for disk in domain.iterfind("devices/disk"):
        driver, source = disk.find("driver"), disk.find("source")
        if source is not None and (driver is None or driver.get("type") != "raw"):
            yield source.get("file") or source.get("dev") or ""


def _nvram(domain: ET.Element) -> Iterator[str]:
    element = domain.find("os/nvram")
    if element is not None:
        source = element.find("source")
        yield from (text for text in (element.text or "", "" if source is None else source.get("file", "")) if text)


def _named(domain: ET.Element) -> Iterator[str]:
    for element in domain.iter():
        for text in (element.text or "", *element.attrib.values()):
            if text.strip().startswith("/"):
                yield text.strip()
        if element.tag == "source" and (volume := element.get("volume")):
            yield volume
