"""Directives that are valid, and still do harm, nothing, or something else than they seem to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from imgpipe.os_family import Fault
from imgpipe_el.lint.source import Command, Kickstart, Section, package_of
from imgpipe_el.release import Release

_SOURCES = ("bootc", "cdrom", "harddrive", "hmc", "liveimg", "nfs", "ostreecontainer", "ostreesetup", "repo", "url")
_NETWORK_SOURCES = ("bootc", "nfs", "ostreecontainer", "ostreesetup", "url")
# What is installed from one of these comes whole.
_WHOLE = ("bootc", "liveimg", "ostreecontainer", "ostreesetup")
# Names that are removed by habit and belong to no package.
_NO_PACKAGES = frozenset({"audio"})


def directive_faults(kickstart: Kickstart, release: Release) -> Iterator[Fault]:
    """Yield the traps among the commands and the sections' options."""
    yield from _ending(kickstart)
    yield from _missing(kickstart)
    yield from _display(kickstart)
    yield from _sources(kickstart)
    yield from _network(kickstart)
    yield from _boot_loader(kickstart, release)
    for section in kickstart.sections:
        yield from _section(section)
    for include in kickstart.includes:
        yield Fault(line=include.line, text="What is included here is not checked.", severity="warning")


def _ending(kickstart: Kickstart) -> Iterator[Fault]:
    ends = tuple(kickstart.named("poweroff", "shutdown", "reboot", "halt"))
    if not ends:
        if not kickstart.includes:
            text = "Nothing ends the installation: without 'poweroff' the machine waits at its end."
            yield Fault(line=0, text=text)
    elif ends[-1].name == "halt":
        text = "With 'halt' the installer waits for a key at its end, and the machine stays on: use 'poweroff'."
        yield Fault(line=ends[-1].line, text=text)
    elif ends[-1].name == "reboot":
        text = (
            "'reboot' ends a build as well as 'poweroff' does, for its machine ends where it would start again; "
            "other programs would boot the installer once more."
        )
        yield Fault(line=ends[-1].line, text=text, severity="warning")


def _missing(kickstart: Kickstart) -> Iterator[Fault]:
    """Yield what Anaconda would ask for; what is included elsewhere may hold it, so nothing is said then."""
    if kickstart.includes:
        return
    if not any(kickstart.named("rootpw")) and not any(map(_is_administrator, kickstart.named("user"))):
        text = "Neither 'rootpw' nor a 'user' of the group 'wheel' is given: the installer would ask for an account."
        yield Fault(line=0, text=text)
    if not any(kickstart.named("timezone")):
        text = "'timezone' is missing: the system gets America/New_York, which nobody is asked about."
        yield Fault(line=0, text=text, severity="warning")
    if not any(kickstart.named(*_WHOLE)) and not any(section.name == "%packages" for section in kickstart.sections):
        yield Fault(line=0, text="'%packages' is missing: the installer would ask what to install.")


def _is_administrator(command: Command) -> bool:
    return "wheel" in command.value("--groups").split(",") and not command.has("--lock")


def _display(kickstart: Kickstart) -> Iterator[Fault]:
    for command in kickstart.named("text"):
        if not command.has("--non-interactive"):
            text = "In text mode an error waits for a key without end: use 'cmdline' or 'text --non-interactive'."
            yield Fault(line=command.line, text=text, severity="warning")
    for command in kickstart.named("graphical", "vnc", "rdp", "rescue"):
        text = f"'{command.name}' waits for a person: use 'cmdline'."
        yield Fault(line=command.line, text=text, severity="warning")


def _sources(kickstart: Kickstart) -> Iterator[Fault]:
    if not any(kickstart.named(*_SOURCES)) and not kickstart.includes:
        text = "No installation source is given, such as 'cdrom': the installer has to guess one."
        yield Fault(line=0, text=text, severity="warning")
    for command in kickstart.named(*_NETWORK_SOURCES, "repo"):
        if command.name != "repo" or re.match(r"(https?|ftp)://", command.value("--baseurl")):
            text = f"'{command.name}' needs a network, which an isolated build does not have."
            yield Fault(line=command.line, text=text, severity="warning")


def _network(kickstart: Kickstart) -> Iterator[Fault]:
    # The initramfs brings it up whatever its options say (dracut/parse-kickstart), save a line with a name alone.
    for first in tuple(kickstart.named("network"))[:1]:
        alone = first.has("--hostname") and not first.has("--device") and not first.has("--bootproto")
        if not alone and first.value("--bootproto") in {"", "dhcp"}:
            text = (
                "The initramfs waits for a DHCP server on this NIC, which an isolated build does not have: "
                "put 'network --hostname=NAME' before this line, and add '--no-activate'."
            )
            yield Fault(line=first.line, text=text, severity="warning")


def _boot_loader(kickstart: Kickstart, release: Release) -> Iterator[Fault]:
    arguments: list[str] = []
    for command in kickstart.named("bootloader"):
        given = command.value("--append").split()
        arguments += given
        if command.value("--location") == "none":
            yield Fault(line=command.line, text="No boot loader is installed: the machine will not boot.")
        for argument in given:
            if argument.startswith(("inst.", "ks=", "rd.shell", "rd.emergency")):
                text = f"'{argument}' is for the installer, and '--append' is for the installed system."
                yield Fault(line=command.line, text=text, severity="warning")
    for command in kickstart.named("selinux"):
        if command.has("--disabled") and release.selinux_needs_argument and "selinux=0" not in arguments:
            text = (
                "Here SELinux stays on, without a policy: to turn it off, add 'selinux=0' to 'bootloader --append'; "
                "else use '--permissive'."
            )
            yield Fault(line=command.line, text=text, severity="warning")


def _section(section: Section) -> Iterator[Fault]:
    opening = section.opening
    if section.name in {"%pre", "%pre-install", "%post"} and not opening.has("--erroronfail"):
        text = f"Without '--erroronfail' a '{section.name}' that fails is not noticed."
        yield Fault(line=opening.line, text=text, severity="warning")
    if section.name == "%packages":
        yield from _packages(section, opening)


def _packages(section: Section, opening: Command) -> Iterator[Fault]:
    for option, harm in (("--ignoremissing", "missing"), ("--ignorebroken", "broken")):
        if opening.has(option):
            text = f"'{option}' hides {harm} packages and groups: the system may end up with next to nothing."
            yield Fault(line=opening.line, text=text, severity="warning")
    lenient = opening.has("--ignoremissing")
    for number, line in section.body:
        name = package_of(line)
        if len(name.split()) > 1 and not name.lstrip("-").startswith("@"):
            severity: Literal["error", "warning"] = "warning" if lenient else "error"
            yield Fault(line=number, text=f"No package is called '{name}': one stands on each line.", severity=severity)
        if name.startswith("-") and name[1:].strip() in _NO_PACKAGES:
            text = f"There is no package '{name[1:].strip()}': leaving it out does nothing."
            yield Fault(line=number, text=text, severity="warning")
