"""How a host boots and names its NICs, read from its file tree; nothing is run, so any tree can be looked at."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from imgpipe.errors import HostError
from imgpipe.os_release import fields_of

# Of shell: an assignment up to its line's end, and what it had before within it.
_SET = re.compile(r"^[ \t]*(?:export[ \t]+)?GRUB_CMDLINE_LINUX=(.*)$", re.MULTILINE)
_ITSELF = re.compile(r"\$(?:GRUB_CMDLINE_LINUX\b|\{GRUB_CMDLINE_LINUX\})")
_CONTRARY = re.compile(r"(?:net\.ifnames|biosdevname)=(?!0\b)[^\s\"']+")
_CLASSIC = re.compile(r"eth[0-9]+")
_SYSTEM_FOLDERS = ("usr/sbin", "usr/bin", "sbin", "bin", "usr/local/sbin")
# Beside the vendor's own folder: the fallback path of UEFI, and other systems'.
_NO_VENDORS = {"boot", "microsoft"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Nic:
    """A NIC as /sys shows it."""

    name: str
    mac: str


def has_program(root: Path, name: str) -> bool:
    """Say whether a program is installed in a tree."""
    return any((root / folder / name).exists() for folder in _SYSTEM_FOLDERS)


def os_release(root: Path) -> dict[str, str]:
    """Return the fields of os-release(5)."""
    for path in (root / "etc/os-release", root / "usr/lib/os-release"):
        if path.is_file():
            return fields_of(path.read_text(errors="replace"))
    return {}


def boots_by_uefi(root: Path) -> bool:
    """Say whether the running system was booted by UEFI."""
    return (root / "sys/firmware/efi").is_dir()


def grub_configuration(root: Path) -> Path:
    """Return the grub.cfg that the host's GRUB really reads, as a path of the host.

    On UEFI it is in the vendor's folder on the ESP, unless that one only hands on to the one in /boot (Debian and
    Ubuntu, EL 9 and later): writing there would break the boot. Raises HostError where it cannot be told.
    """
    main = next((path for path in ("boot/grub2/grub.cfg", "boot/grub/grub.cfg") if (root / path).is_file()), None)
    if boots_by_uefi(root):
        vendor = _vendor_configuration(root)
        if vendor and not _hands_on(root / vendor):
            return Path("/") / vendor
    if main is None:
        raise HostError(
            "No grub.cfg was found on this host.",
            hint="Is it booted by GRUB, and is /boot (or the EFI system partition) mounted?",
        )
    return Path("/") / main


def _vendor_configuration(root: Path) -> Path | None:
    found = sorted(
        path
        for path in (root / "boot/efi/EFI").glob("*/grub.cfg")
        if path.parent.name.lower() not in _NO_VENDORS and path.is_file()
    )
    if len(found) > 1:
        names = _vendor_names(os_release(root))
        ours = [path for path in found if path.parent.name.lower() in names]
        if len(ours) != 1:
            raise HostError(
                "It cannot be told which grub.cfg this host boots from.",
                details=[f"/{path.relative_to(root)}" for path in found],
                hint="'efibootmgr -v' shows the folder in use; remove what other systems left.",
            )
        found = ours
    return found[0].relative_to(root) if found else None


def _vendor_names(release: dict[str, str]) -> set[str]:
    """Return what the vendor's folder may be called: by the system's id and its CPE (cpe:/o:VENDOR:...)."""
    names = {release.get("ID", "").lower()}
    if found := re.match(r"cpe:(?:/o|2\.3:o):([^:]+):", release.get("CPE_NAME", "")):
        names.add(found[1].lower())
    return names


def _hands_on(path: Path) -> bool:
    """Say whether a grub.cfg only loads another one."""
    text = path.read_text(errors="replace")
    return bool(re.search(r"^\s*configfile\s", text, re.MULTILINE)) and "menuentry" not in text and "blscfg" not in text


def boot_entries(root: Path) -> tuple[Path, ...]:
    """Return the entries of the Boot Loader Specification, as paths in the tree."""
    return tuple(sorted((root / "boot/loader/entries").glob("*.conf")))


def boots_by_entries(root: Path, settings: str) -> bool:
    """Say whether GRUB shows those entries: its grub.cfg has the command 'blscfg'.

    Where it cannot be told which grub.cfg is read, GRUB_ENABLE_BLSCFG in `settings`, the text of /etc/default/grub,
    says so; it only says what grub2-mkconfig would write next, so it comes second.
    """
    if not boot_entries(root):
        return False
    try:
        text = (root / grub_configuration(root).relative_to("/")).read_text(errors="replace")
    except HostError:
        return bool(re.search(r"^[ \t]*GRUB_ENABLE_BLSCFG=[\"']?true\b", settings, re.MULTILINE | re.IGNORECASE))
    return bool(re.search(r"^\s*blscfg\b", text, re.MULTILINE))


def grubby_leaves_settings(root: Path) -> bool:
    """Say whether grubby knows '--no-etc-grub-update' (that of EL 8.8 and later does).

    Without it grubby writes over every line of /etc/default/grub that begins with GRUB_CMDLINE_LINUX, also those of
    GRUB_CMDLINE_LINUX_DEFAULT and the like ('update_bls_fragment' in its script).
    """
    scripts = (root / path for path in ("usr/libexec/grubby/grubby-bls", "usr/sbin/grubby"))
    return any("no-etc-grub-update" in path.read_text(errors="replace") for path in scripts if path.is_file())


def nics(root: Path) -> tuple[Nic, ...]:
    """Return the physical NICs; everything else has no device behind it."""
    found = []
    for path in sorted((root / "sys/class/net").glob("*")):
        if (path / "device").exists() and (path / "address").is_file():
            found.append(Nic(name=path.name, mac=(path / "address").read_text().strip().lower()))
    return tuple(found)


def bound_to_names(root: Path) -> Iterator[str]:
    """Yield what configures a NIC by a name that it will no longer have: the host would come back without network."""
    names = {nic.name for nic in nics(root) if not _CLASSIC.fullmatch(nic.name)}
    for path in _network_files(root):
        text = path.read_text(errors="replace")
        for name in sorted(names):
            if re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", text):
                yield f"'/{path.relative_to(root)}' configures '{name}', which will have another name"


def overriding_defaults(root: Path) -> Iterator[str]:
    """Yield Debian's and Ubuntu's files, read after /etc/default/grub, that set the same variable to something else.

    One that only adds to it ("$GRUB_CMDLINE_LINUX quiet") keeps what is there.
    """
    for path in sorted((root / "etc/default/grub.d").glob("*.cfg")):
        text, name = path.read_text(errors="replace"), f"'/{path.relative_to(root)}'"
        for value in _SET.findall(text):
            if not _ITSELF.search(value):
                yield f"{name} sets GRUB_CMDLINE_LINUX anew: put the arguments there too"
            elif undone := _CONTRARY.findall(value):
                yield f"{name} adds {' and '.join(undone)}, and of two values the last counts: remove it there"


def _network_files(root: Path) -> Iterator[Path]:
    patterns = (
        "etc/NetworkManager/system-connections/*.nmconnection",
        "etc/sysconfig/network-scripts/ifcfg-*",
        "etc/network/interfaces",
        "etc/network/interfaces.d/*",
        "etc/netplan/*.yaml",
        "etc/systemd/network/*.network",
    )
    for pattern in patterns:
        yield from (path for path in sorted(root.glob(pattern)) if path.is_file())
