"""What gives the host's NICs classic names, decided from its file tree; `changing` does it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from imgpipe.errors import HostError, RecipeError
from imgpipe.host.nic_names import grub_defaults, tree

DEFAULTS = Path("/etc/default/grub")
_MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,14}")

Rules = Literal["link", "udev"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """A file's text before (None: there is none) and after."""

    path: Path
    before: str | None
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NamesPlan:
    """Files, then commands; `undo` are the commands after the files are as they were; `saved` is copied before."""

    files: tuple[FileChange, ...] = ()
    commands: tuple[tuple[str, ...], ...] = ()
    undo: tuple[tuple[str, ...], ...] = ()
    saved: tuple[Path, ...] = ()
    arguments: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.files or self.commands)


def by_kernel_arguments(root: Path) -> NamesPlan:
    """Plan `net.ifnames=0 biosdevname=0` for every kernel, present and future.

    Where boot entries are files of their own (EL 8 and later) grubby changes them, because grub2-mkconfig leaves the
    existing ones alone. Everywhere else the distribution's mkconfig writes the grub.cfg that GRUB reads.
    """
    before = _read(root, DEFAULTS)
    if before is None:
        raise HostError(f"There is no '{DEFAULTS}' on this host.", hint="Classic names by MAC address need no GRUB.")
    after = grub_defaults.with_arguments(before)
    added = tuple(word for word in grub_defaults.ARGUMENTS if word not in grub_defaults.arguments(before))
    files = (FileChange(path=DEFAULTS, before=before, after=after),) if after != before else ()
    warnings = (*tree.bound_to_names(root), *tree.overriding_defaults(root))
    if grub_defaults.value_of(before, "GRUB_ENABLE_BLSCFG").lower() == "true" and tree.boot_entries(root):
        return _by_grubby(root, files, added, warnings)
    target = tree.grub_configuration(root)
    lacking = [word for word in grub_defaults.ARGUMENTS if word not in (_read(root, target) or "")]
    if not files and not lacking:
        return NamesPlan(warnings=warnings)
    command = (_mkconfig(root), "-o", str(target))
    return NamesPlan(
        files=files, commands=(command,), undo=(command,), saved=(DEFAULTS, target), arguments=added, warnings=warnings
    )


def by_mac(root: Path, pins: Mapping[str, str], rules: Rules) -> NamesPlan:
    """Plan one file for each name (systemd.link(5)), or one of udev rules for all.

    A bridge, bond or VLAN may have the MAC address of the NIC below it; the rules are for NICs alone.
    """
    _check(root, pins)
    wanted = _link_files(pins) if rules == "link" else {Path("/etc/udev/rules.d/70-persistent-net.rules"): _udev(pins)}
    files = tuple(
        FileChange(path=path, before=before, after=text)
        for path, text in wanted.items()
        if (before := _read(root, path)) != text
    )
    # The NICs get their names in the initramfs already, which has a copy of these files.
    again = _initramfs(root) if files else ()
    saved = tuple(change.path for change in files)
    return NamesPlan(files=files, commands=again, undo=again, saved=saved, warnings=tuple(tree.bound_to_names(root)))


def _by_grubby(
    root: Path, files: tuple[FileChange, ...], added: tuple[str, ...], warnings: tuple[str, ...]
) -> NamesPlan:
    entries = tree.boot_entries(root)
    texts = [path.read_text(errors="replace") for path in entries]
    lacking = tuple(word for word in grub_defaults.ARGUMENTS if not all(word in _options(root, text) for text in texts))
    if not files and not lacking:
        return NamesPlan(warnings=warnings)
    if not tree.has_program(root, "grubby"):
        raise HostError(
            "The boot entries of this host are changed by 'grubby', which is not installed.",
            hint="Install it with 'dnf install grubby'.",
        )
    others = (Path("/boot/grub2/grubenv"), Path("/etc/kernel/cmdline"))
    saved = (*(Path("/") / path.relative_to(root) for path in entries), *others)
    words = tuple(dict.fromkeys((*lacking, *added)))
    return NamesPlan(
        files=files,
        commands=(("grubby", "--update-kernel=ALL", f"--args={' '.join(grub_defaults.ARGUMENTS)}"),),
        undo=(("grubby", "--update-kernel=ALL", f"--remove-args={' '.join(words)}"),),
        saved=(DEFAULTS, *(path for path in saved if (root / path.relative_to("/")).is_file())),
        arguments=words,
        warnings=warnings,
    )


def _options(root: Path, entry: str) -> list[str]:
    """Return the kernel arguments of a boot entry; EL 8 keeps them in grubenv, as $kernelopts."""
    words = [word for line in entry.splitlines() if line.startswith("options") for word in line.split()[1:]]
    if "$kernelopts" in words:
        words += grub_defaults.value_of(_read(root, Path("/boot/grub2/grubenv")) or "", "kernelopts").split()
    return words


def _mkconfig(root: Path) -> str:
    for program in ("grub2-mkconfig", "grub-mkconfig"):
        if tree.has_program(root, program):
            return program
    raise HostError("Neither grub2-mkconfig nor grub-mkconfig is installed.", hint="Is this host booted by GRUB?")


def _initramfs(root: Path) -> tuple[tuple[str, ...], ...]:
    if tree.has_program(root, "update-initramfs"):
        return (("update-initramfs", "-u", "-k", "all"),)
    return (("dracut", "--force", "--regenerate-all"),) if tree.has_program(root, "dracut") else ()


def _check(root: Path, pins: Mapping[str, str]) -> None:
    known = {nic.mac: nic.name for nic in tree.nics(root)}
    faults = [f"{name}: is no name of a NIC" for name in pins if not _NAME.fullmatch(name)]
    for name, mac in pins.items():
        if not _MAC.fullmatch(mac):
            faults.append(f"{name}: '{mac}' is no MAC address")
        elif mac not in known:
            faults.append(f"{name}: no NIC has the address {mac}; there are {', '.join(known) or 'none'}")
    if len(set(pins.values())) < len(pins):
        faults.append("two names have the same MAC address")
    if faults or not pins:
        raise RecipeError(
            "These names cannot be given.", details=faults, hint="Write each as 'eth0=52:54:00:12:34:56'."
        )


def _link_files(pins: Mapping[str, str]) -> dict[Path, str]:
    return {
        Path(f"/etc/systemd/network/10-imgpipe-{name}.link"): (
            f"# Written by imgpipe.\n[Match]\nMACAddress={mac}\nType=ether\n\n[Link]\nName={name}\n"
        )
        for name, mac in pins.items()
    }


def _udev(pins: Mapping[str, str]) -> str:
    lines = [
        f'SUBSYSTEM=="net", ACTION=="add", DRIVERS=="?*", ATTR{{type}}=="1", ATTR{{address}}=="{mac}", NAME="{name}"\n'
        for name, mac in pins.items()
    ]
    return "".join(("# Written by imgpipe.\n", *lines))


def _read(root: Path, path: Path) -> str | None:
    found = root / path.relative_to("/")
    return found.read_text(encoding="utf-8", errors="surrogateescape") if found.is_file() else None
