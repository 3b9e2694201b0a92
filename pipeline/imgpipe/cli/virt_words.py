"""What people type who know virsh, virt-install and virt-clone, and what imgpipe has for it.

The options are those of virt-install(1) and virt-clone(1), the commands those of virsh(1).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from shlex import quote
from typing import Any

from imgpipe.errors import RecipeError

_MOST = 4
"""Commands of one name that are told."""
_BY_RECIPE = frozenset({"build", "plan", "doctor"})
"""Commands that take a recipe, whose machine's size is its own."""
_SIZES = frozenset({"--cpus", "--cpu", "--vcpus", "--memory", "--ram", "--disk", "--disk-size", "--size"})
_MEDIA = frozenset({"--iso", "--location", "--cdrom", "-l", "-c"})
_SYSTEMS = frozenset({"--os-variant", "--osinfo", "--os-type"})
_ELSEWHERE: Mapping[str, str] = {
    "--cpu": "Every machine has the host's CPU. ",
    "--machine": "Every machine is a q35. ",
    "--console": "Every machine has a serial console: 'imgpipe machines console web-01'. ",
    "--serial": "Every machine has a serial console: 'imgpipe machines console web-01'. ",
    "--graphics": "Linux machines have a serial console and no screen, Windows machines have VNC. ",
    "--noautoconsole": "No console is opened: 'imgpipe machines console web-01' does that. ",
    "--extra-args": "Arguments for the installer's kernel stand in the recipe: 'install.kernel_arguments'. ",
    "-x": "Arguments for the installer's kernel stand in the recipe: 'install.kernel_arguments'. ",
    "--mac": "MAC addresses follow from the names of fleet and machine. ",
    "--hvm": "Every machine is one of KVM, or of QEMU where there is no KVM. ",
    "--virt-type": "Every machine is one of KVM, or of QEMU where there is no KVM. ",
}
"""Options of virt-install for what imgpipe decides, or what is said elsewhere."""
_NO_MEDIA = "An ISO is for a build, as in 'imgpipe build rocky9 --media rocky9.iso', which makes a template. "
_SYSTEM_OF: Mapping[str, str] = {
    "lint": "Did you mean '--os'? ",
    **dict.fromkeys(_BY_RECIPE, "The system is the recipe's: 'imgpipe recipes list' shows them. "),
    "deploy": "The system is the template's: 'imgpipe images list' shows them. ",
}
"""Where the system is said, by command."""
_ALIKE: Mapping[str, str] = {
    "--ram": "--memory", "--cpus": "--vcpus", "-n": "--name", "-r": "--memory", "-w": "--network",
    "--size": "--disk", "--disk-size": "--disk", "--ip": "--addresses", "--address": "--addresses",
}  # fmt: skip
"""Other programs' options for what has an option here."""
_CLONE = "The source comes first, then the clones: 'imgpipe clone vm001 vm005'; their disks are named after them. "
_OF_CLONE = frozenset({"-o", "--original", "-n", "--name", "-f", "--file", "--auto-clone"})

_COMMANDS: Mapping[str, tuple[str, ...]] = {
    "create": ("deploy", "build"), "install": ("build", "deploy"), "virt-install": ("build", "deploy"),
    "virt-clone": ("clone",), "virt-sysprep": ("sysprep",), "run": ("build",), "ps": ("machines list",),
    "shutdown": ("machines stop",), "poweroff": ("machines stop",), "reboot": ("machines stop", "machines start"),
    "undefine": ("machines destroy",), "delete": ("machines destroy", "images rm"),
    "remove": ("machines destroy", "images rm"),
    "setvcpus": ("machines set",), "setmem": ("machines set",), "login": ("machines ssh",), "osinfo": ("os list",),
    "osinfo-query": ("os list",), "ksvalidator": ("lint",), "validate": ("lint",), "iso": ("media list",),
    "templates": ("images list",), "template": ("images list", "import"), "network": ("host network",),
    "fleet": ("deploy",), "update": ("deploy",),
}  # fmt: skip
"""Words that are no command of imgpipe's, and the commands that do what is meant."""
_OF_VIRSH = frozenset({
    "autostart", "blockcommit", "change-media", "attach-disk", "detach-disk", "attach-interface", "domblklist",
    "domiflist", "domifaddr", "dominfo", "domrename", "domstate", "dumpxml", "edit", "managedsave", "pool-list",
    "screenshot", "snapshot-create-as", "snapshot-list", "vncdisplay", "vol-list", "snapshot", "migrate", "resume",
    "suspend",
})  # fmt: skip
"""Commands of virsh for which imgpipe has none: machines are libvirt's domains, so virsh's own works."""


def meant_option(unknown: str, command: str, known: Collection[str]) -> str:
    """Return what is written instead of an option of another program's, with a space behind; empty if none is known."""
    if command == "clone" and unknown in _OF_CLONE:
        return _CLONE
    if command in _BY_RECIPE and unknown in _SIZES:
        return "A size stands in the recipe's name, as in 'rocky9-4c2g15g', or in its file. "
    if unknown in _SYSTEMS:
        return _SYSTEM_OF.get(command, _SYSTEM_OF["deploy"])
    if unknown in _MEDIA:
        return "The ISO is '--media FILE'. " if "--media" in known else _NO_MEDIA
    alike = _ALIKE.get(unknown, "")
    return f"Did you mean '{alike}'? " if alike in known else _ELSEWHERE.get(unknown, "")


def meant_commands(unknown: str, program: str, group: Any) -> str:  # noqa: ANN401 (typer has its own copy of click)
    """Return which commands were most likely meant by a word that is none of `group`'s, as a sentence; else empty.

    `group` is the program's whole tree of commands, `program` its name.
    """
    places = [place for place in _places(group, ()) if place[-1] == unknown and len(place) > 1]
    found = [" ".join((program, *place)) for place in places]
    found = found or [f"{program} {name}" for name in _COMMANDS.get(unknown, ())]
    if found:
        named = " or ".join(f"'{name}'" for name in found[:_MOST])
        return f"Did you mean {named}? "
    return f"That is virsh's: 'virsh {unknown} NAME' works on imgpipe's machines. " if unknown in _OF_VIRSH else ""


def _places(group: Any, above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:  # noqa: ANN401
    for name, command in getattr(group, "commands", {}).items():
        yield (*above, name)
        yield from _places(command, (*above, name))


def refuse_values_of_virt_install(disk: str | None, networks: Sequence[str] | None) -> None:
    """Raise RecipeError for values of '--disk' and '--network' that are virt-install's, with what is written here."""
    wrong = [fault for network in networks or () if (fault := _of_network(network))]
    if disk and (pairs := _pairs(disk)):
        size = pairs.get("size", "")
        example = f"{size}G" if re.fullmatch(r"[1-9][0-9]*", size) else "15G"
        wrong.append(f"--disk: is a size alone, such as '--disk {example}'; file, bus and cache mode are imgpipe's")
    if wrong:
        raise RecipeError("What the command line asks for is written as virt-install has it.", details=wrong)


def _of_network(text: str) -> str:
    pairs = _pairs(text)
    for key, option in (("bridge", "--bridge"), ("network", "--network")):
        if pairs.get(key):
            return f"--network: that is written '{option} {quote(pairs[key])}'; every NIC is virtio"
    return "--network: names a network of libvirt; a bridge is written '--bridge br1'" if pairs else ""


def _pairs(text: str) -> dict[str, str]:
    """Return 'size=15,bus=virtio' as a table; empty where it is nothing of that kind."""
    return dict(part.partition("=")[::2] for part in text.split(",") if "=" in part)
