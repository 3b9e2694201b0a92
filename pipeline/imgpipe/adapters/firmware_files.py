"""The UEFI builds of this host: those that descriptors describe, and one that comes without any.

Format: QEMU's docs/interop/firmware.json. A file of the first folder stands for one of the same name in the second.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from imgpipe.domain_features import FirmwareFiles
from imgpipe.json_text import parse_json
from imgpipe.named_files import read_text

DESCRIPTORS = (Path("/etc/qemu/firmware"), Path("/usr/share/qemu/firmware"))
UNDESCRIBED = FirmwareFiles(
    code=Path("/usr/share/edk2/ovmf/OVMF_CODE.fd"), variables=Path("/usr/share/edk2/ovmf/OVMF_VARS.fd")
)
"""What openEuler's edk2-ovmf 202002 has, by its edk2.spec, and no descriptor of it.

It can do Secure Boot and has no keys, so it refuses nothing. Where there are descriptors, they are believed instead.
"""
_SECURE = {"secure-boot", "enrolled-keys"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """A UEFI build for q35 whose files are there; `files` only where it is two raw ones in flash."""

    features: frozenset[str]
    files: FirmwareFiles | None = None

    @property
    def plain(self) -> bool:
        """Whether it runs without Secure Boot."""
        return "secure-boot" not in self.features

    @property
    def secure(self) -> bool:
        """Whether it has Secure Boot and keys."""
        return self.features >= _SECURE


def installed(folders: Iterable[Path] = DESCRIPTORS, undescribed: FirmwareFiles = UNDESCRIBED) -> tuple[Described, ...]:
    """Return the UEFI builds that libvirt would choose from, in its order; without any, one known to have none."""
    names: dict[str, Path] = {}
    for folder in folders:
        for path in folder.glob("*.json"):
            names.setdefault(path.name, path)
    found = tuple(one for name in sorted(names) for one in _described(names[name]))
    if not found and _there(undescribed.code, undescribed.variables):
        return (Described(features=frozenset(), files=undescribed),)
    return found


def plain_files(found: Iterable[Described]) -> FirmwareFiles | None:
    """Return the first build without Secure Boot that a definition can name."""
    return next((one.files for one in found if one.files and one.plain and "requires-smm" not in one.features), None)


def secure_files(found: Iterable[Described]) -> FirmwareFiles | None:
    """Return the first build with Secure Boot, keys in it, that a definition can name; only SMM guards its keys."""
    return next((one.files for one in found if one.files and one.secure and "requires-smm" in one.features), None)


def _described(path: Path) -> Iterator[Described]:
    """Yield what a descriptor describes, if it is for q35 and its files are there."""
    try:
        told = parse_json(read_text(path))
        mapping = told["mapping"]
        machines = [
            str(name) for target in told["targets"] if target["architecture"] == "x86_64" for name in target["machines"]
        ]
        parts = [mapping[part] for part in ("executable", "nvram-template") if part in mapping]
        files = [Path(part["filename"]) for part in parts]
        files += [Path(mapping["filename"])] if "filename" in mapping else []
        raw = len(parts) == 2 and all(part.get("format") == "raw" for part in parts)
        features = frozenset(map(str, told["features"]))
        uefi = "uefi" in told["interface-types"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return
    if uefi and any("q35" in name for name in machines) and files and _there(*files):
        pair = raw and mapping.get("device") == "flash" and mapping.get("mode", "split") == "split"
        yield Described(features=features, files=FirmwareFiles(code=files[0], variables=files[1]) if pair else None)


def _there(*files: Path) -> bool:
    return all(file.is_file() for file in files)
