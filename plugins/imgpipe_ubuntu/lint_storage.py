"""Lint of the storage section: what the installer would only find out when the disk is already wiped."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterator
from typing import Any

from imgpipe.os_family import Fault
from imgpipe_ubuntu.yaml_document import Path

_LAYOUTS = ("lvm", "direct", "zfs", "hybrid")
# The keys by which an action refers to others, by the id that must have come before.
_REFERENCES = ("device", "volume", "volgroup", "pool")
_ZFS_REFERENCES = {"zpool": (), "zfs": ("pool",)}
_DISK = "/dev/vda"
_DISK_NAME = re.compile(r"/dev/(sd|hd|vd|xvd|nvme|mmcblk)[^/]*$")
_SIZED = ("partition", "lvm_partition")

Action = dict[str, Any]
LineOf = Callable[[Path], int]


def lint_storage(storage: object, line: LineOf, firmware: str) -> Iterator[Fault]:
    """Yield the faults of a storage section; `line` says where a path inside of it is."""
    if storage is None:
        yield _warning(
            line(()), "Without 'storage' the installer takes its own LVM, which leaves much of the disk unused."
        )
        return
    if not isinstance(storage, dict):
        return
    layout, config = storage.get("layout"), storage.get("config")
    if isinstance(layout, dict):
        yield from _layout(layout, line)
    if isinstance(layout, dict) and config:
        yield _warning(line(("config",)), "'config' is not used where there is a 'layout'.")
    elif not layout and not config:
        yield Fault(line=line(()), text="'storage' has neither 'layout' nor 'config'.")
    elif isinstance(config, list):
        actions = {number: action for number, action in enumerate(config) if isinstance(action, dict)}
        yield from _disks(actions, line)
        yield from _references(actions, line)
        yield from _sizes(actions, line)
        yield from _mounts(actions, line, firmware)


def _warning(line: int, text: str) -> Fault:
    return Fault(line=line, text=text, severity="warning")


def _layout(layout: Action, line: LineOf) -> Iterator[Fault]:
    if layout.get("name") not in _LAYOUTS:
        yield Fault(line=line(("layout", "name")), text=f"The layout must be one of {', '.join(_LAYOUTS)}.")
    match = layout.get("match")
    yield from _other_disk(match.get("path") if isinstance(match, dict) else None, line(("layout", "match", "path")))
    if "password" in layout:
        text = "An encrypted disk asks for its passphrase at every boot of every clone, and here it is plain text."
        yield _warning(line(("layout", "password")), text)


def _disks(actions: dict[int, Action], line: LineOf) -> Iterator[Fault]:
    for number, action in actions.items():
        if action.get("type") == "disk":
            match = action.get("match")
            yield from _other_disk(action.get("path"), line(("config", number, "path")))
            yield from _other_disk(match.get("path") if isinstance(match, dict) else None, line(("config", number)))


def _other_disk(path: object, where: int) -> Iterator[Fault]:
    """Yield the fault of a disk's path, or pattern of paths, that the install machine's only disk has not."""
    if isinstance(path, str) and _DISK_NAME.match(path) and not fnmatch.fnmatchcase(_DISK, path):
        yield Fault(line=where, text=f"The machine has no disk '{path}': its only one is '{_DISK}'.")


def _references(actions: dict[int, Action], line: LineOf) -> Iterator[Fault]:
    seen: set[str] = set()
    for number, action in actions.items():
        # Of these, `pool` and `volume` are names of ZFS.
        keys = _ZFS_REFERENCES.get(str(action.get("type")), _REFERENCES)
        named = [(key, action[key]) for key in keys if isinstance(action.get(key), str)]
        devices = action.get("devices")
        named += [("devices", item) for item in (devices if isinstance(devices, list) else []) if isinstance(item, str)]
        for key, target in named:
            if target not in seen:
                text = f"'{key}' names '{target}', and no action before this one has that id."
                yield Fault(line=line(("config", number, key)), text=text)
        name = action.get("id")
        if isinstance(name, str):
            if name in seen:
                yield Fault(line=line(("config", number, "id")), text=f"The id '{name}' is there twice.")
            seen.add(name)


def _sizes(actions: dict[int, Action], line: LineOf) -> Iterator[Fault]:
    last: dict[str, int] = {}
    for number, action in actions.items():
        if action.get("type") in _SIZED:
            last[_parent(action)] = number
    for number, action in actions.items():
        if action.get("type") not in _SIZED or action.get("preserve") is True:
            continue
        size = action.get("size")
        if size is None:
            yield Fault(line=line(("config", number)), text=f"'{action.get('id')}' has no size.")
        elif isinstance(size, int) and size < 0 and last[_parent(action)] != number:
            text = f"'{action.get('id')}' takes the rest of its disk and is not the last on it."
            yield Fault(line=line(("config", number, "size")), text=text)


def _parent(action: Action) -> str:
    return str(action.get("device") or action.get("volgroup"))


def _mounts(actions: dict[int, Action], line: LineOf, firmware: str) -> Iterator[Fault]:
    mounts = [action for action in actions.values() if action.get("type") == "mount"]
    paths = {str(action.get("path")): action for action in mounts}
    if "/" not in paths and not any(str(action.get("type")) in _ZFS_REFERENCES for action in actions.values()):
        yield Fault(line=line(("config",)), text="Nothing is mounted on '/'.")
    if firmware == "uefi":
        yield from _uefi(actions, paths, line)
    else:
        yield from _bios(actions, line)


def _bios(actions: dict[int, Action], line: LineOf) -> Iterator[Fault]:
    disks = [action for action in actions.values() if action.get("type") == "disk"]
    targets = [disk for disk in disks if disk.get("grub_device") is True]
    if not targets:
        yield Fault(line=line(("config",)), text="For BIOS a disk must have 'grub_device: true'.")
    for disk in targets:
        flags = [action.get("flag") for action in actions.values() if action.get("device") == disk.get("id")]
        if disk.get("ptable", "gpt") == "gpt" and disk.get("preserve") is not True and "bios_grub" not in flags:
            text = f"GRUB needs a partition with 'flag: bios_grub' on the GPT disk '{disk.get('id')}'."
            yield Fault(line=line(("config",)), text=text)


def _uefi(actions: dict[int, Action], paths: dict[str, Action], line: LineOf) -> Iterator[Fault]:
    by_id = {action.get("id"): action for action in actions.values() if isinstance(action.get("id"), str)}
    mount = paths.get("/boot/efi")
    made = by_id.get(mount.get("device")) if mount and isinstance(mount.get("device"), str) else None
    partition = by_id.get(made.get("volume")) if made and isinstance(made.get("volume"), str) else None
    if made is None or partition is None:
        yield Fault(line=line(("config",)), text="For UEFI a FAT file system must be mounted on '/boot/efi'.")
        return
    number = next(number for number, action in actions.items() if action is partition)
    if made.get("fstype") not in ("fat32", "vfat", "fat16", "fat"):
        yield Fault(line=line(("config", number)), text="The file system of '/boot/efi' must be fat32.")
    if partition.get("grub_device") is not True:
        text = f"For UEFI the partition '{partition.get('id')}' must have 'grub_device: true'."
        yield Fault(line=line(("config", number)), text=text)
    if partition.get("flag") != "boot":
        text = f"For UEFI the partition '{partition.get('id')}' must have 'flag: boot'."
        yield Fault(line=line(("config", number)), text=text)
