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
ENVIRONMENT = Path("/boot/grub2/grubenv")
CMDLINE = Path("/etc/kernel/cmdline")
"""What new kernels' entries get (kernel-install(8)); grubby makes it where there is none."""
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
    """Files, then commands; `undo` are the commands after the files are as they were; `saved` is copied before.

    `arguments` are the words that are new, `wanted` those that must be in force afterwards. `made` are files that the
    commands may make.
    """

    files: tuple[FileChange, ...] = ()
    commands: tuple[tuple[str, ...], ...] = ()
    undo: tuple[tuple[str, ...], ...] = ()
    saved: tuple[Path, ...] = ()
    arguments: tuple[str, ...] = ()
    wanted: tuple[str, ...] = ()
    made: tuple[Path, ...] = ()
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
    if tree.boots_by_entries(root, before):
        return _by_grubby(root, files, added, warnings)
    target = tree.grub_configuration(root)
    if not files and not lacking(root):
        return NamesPlan(warnings=warnings)
    command = (_mkconfig(root), "-o", str(target))
    return NamesPlan(
        files=files,
        commands=(command,),
        undo=(command,),
        saved=(DEFAULTS, target),
        arguments=added,
        wanted=grub_defaults.ARGUMENTS,
        warnings=warnings,
    )


def lacking(root: Path) -> tuple[str, ...]:
    """Return which of the arguments some kernel of this host, or the next one, would be booted without."""
    if tree.boots_by_entries(root, _read(root, DEFAULTS) or ""):
        booted = [*_of_entries(root), *_of_next_kernels(root)]
        return tuple(
            word for word in grub_defaults.ARGUMENTS if any(grub_defaults.lacking(one, (word,)) for one in booted)
        )
    text = _read(root, tree.grub_configuration(root)) or ""
    return tuple(word for word in grub_defaults.ARGUMENTS if word not in text)


def remaining(root: Path, words: tuple[str, ...]) -> tuple[str, ...]:
    """Return which of `words` are still among the arguments of boot entries; none where there are no entries in use."""
    if not tree.boots_by_entries(root, _read(root, DEFAULTS) or ""):
        return ()
    there = {word for one in (*_of_entries(root), *_of_next_kernels(root)) for word in one}
    return tuple(word for word in words if word in there)


def is_grubbys_own(root: Path) -> bool:
    """Say whether /etc/kernel/cmdline says what an entry says, as that does which grubby makes of one."""
    return any(own == one for own in _of_next_kernels(root) for one in _of_entries(root))


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
    missing = lacking(root)
    if not files and not missing:
        return NamesPlan(warnings=warnings)
    if not tree.has_program(root, "grubby"):
        raise HostError(
            "The boot entries of this host are changed by 'grubby', which is not installed.",
            hint="Install it with 'dnf install grubby'.",
        )
    entries = [Path("/") / path.relative_to(root) for path in tree.boot_entries(root)]
    words = tuple(dict.fromkeys((*missing, *added)))
    grubby = (
        "grubby",
        *(("--no-etc-grub-update",) if tree.grubby_leaves_settings(root) else ()),
        "--update-kernel=ALL",
    )
    before = _replaced(root, words)
    return NamesPlan(
        files=files,
        commands=((*grubby, f"--args={' '.join(grub_defaults.ARGUMENTS)}"),),
        undo=((*grubby, f"--remove-args={' '.join(words)}", *((f"--args={' '.join(before)}",) if before else ())),),
        saved=tuple(path for path in (DEFAULTS, *entries, ENVIRONMENT, CMDLINE) if _read(root, path) is not None),
        arguments=words,
        wanted=grub_defaults.ARGUMENTS,
        made=(CMDLINE,) if _read(root, CMDLINE) is None else (),
        warnings=warnings,
    )


def _replaced(root: Path, words: tuple[str, ...]) -> tuple[str, ...]:
    """Return the other values of the same arguments that every entry has now: what an undoing brings back."""
    names = {word.partition("=")[0] for word in words}
    found = [
        [word for word in one if word.partition("=")[0] in names and word not in words] for one in _of_entries(root)
    ]
    return tuple(dict.fromkeys(found[0])) if found and all(one == found[0] for one in found) else ()


def _of_entries(root: Path) -> list[list[str]]:
    return [_options(root, path.read_text(errors="replace")) for path in tree.boot_entries(root)]


def _of_next_kernels(root: Path) -> list[list[str]]:
    text = _read(root, CMDLINE)
    return [] if text is None else [text.split()]


def _options(root: Path, entry: str) -> list[str]:
    """Return the kernel arguments of a boot entry; EL 8 keeps them in grubenv, as $kernelopts."""
    words = [word for line in entry.splitlines() if line.startswith("options") for word in line.split()[1:]]
    shared = grub_defaults.value_of(_read(root, ENVIRONMENT) or "", "kernelopts").split()
    return [each for word in words for each in (shared if word == "$kernelopts" else (word,))]


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
