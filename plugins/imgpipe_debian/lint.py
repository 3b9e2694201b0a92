"""Lint of debconf preseed files: their form, and what would make debian-installer fail, ask or wait.

Formats: debconf-set-selections(1), and doc/devel/partman-auto-recipe.txt of the installer's source.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import replace

from imgpipe.late_commands import late_command_faults
from imgpipe.os_family import Fault, System
from imgpipe.shell_scripts import ShellCommand, shell_commands
from imgpipe_debian.lint_answers import Answer, answer_faults

_LARGEST = 2**20
_MOST_FAULTS = 200
_TYPES = {"string", "boolean", "select", "multiselect", "note", "password", "text", "title", "seen"}
# As cdebconf reads a line: the value begins behind the blanks after the type, and ends with the line. Of a type alone
# that ends the line, as in "netcfg/get_domain string", Debian's debconf and imgpipe make an empty value.
_SELECTION = re.compile(r"[ \t]*(\S+)[ \t]+(\S+)[ \t]+(\S+)(?:[ \t]+(.*))?", re.DOTALL)

# Questions of the installer that people answer, by type; others are taken as they are.
_KNOWN = {
    "string": """
        debconf/priority preseed/early_command preseed/late_command preseed/include preseed/run partman/early_command
        debian-installer/locale debian-installer/language debian-installer/country debian-installer/add-kernel-opts
        time/zone clock-setup/ntp-server netcfg/hostname netcfg/get_hostname netcfg/get_domain netcfg/get_ipaddress
        netcfg/get_netmask netcfg/get_gateway netcfg/get_nameservers netcfg/dhcp_timeout netcfg/link_wait_timeout
        mirror/country mirror/suite mirror/udeb/suite mirror/protocol mirror/http/hostname mirror/http/directory
        mirror/http/proxy mirror/https/hostname mirror/https/directory mirror/https/proxy passwd/username
        passwd/user-fullname passwd/user-uid passwd/user-default-groups partman-auto/disk partman-auto/method
        partman-auto/expert_recipe partman-auto/expert_recipe_file partman-auto/cap-ram partman-auto-lvm/guided_size
        partman-auto-lvm/new_vg_name partman-partitioning/default_label partman/default_label pkgsel/include
        base-installer/kernel/image grub-installer/bootdev apt-setup/local0/repository apt-setup/local0/comment
        apt-setup/local0/key apt-setup/security_host anna/choose_modules""",
    "boolean": """
        preseed/interactive clock-setup/utc clock-setup/ntp netcfg/enable netcfg/disable_autoconfig
        netcfg/confirm_static hw-detect/load_firmware apt-setup/use_mirror apt-setup/no_mirror apt-setup/non-free
        apt-setup/contrib apt-setup/non-free-firmware apt-setup/cdrom/set-first apt-setup/cdrom/set-next
        apt-setup/cdrom/set-failed apt-setup/enable-source-repositories apt-setup/disable-cdrom-entries
        apt-setup/local0/source debian-installer/allow_unauthenticated anna/no_kernel_modules passwd/root-login
        passwd/make-user user-setup/allow-password-weak user-setup/encrypt-home partman/confirm
        partman/confirm_nooverwrite partman/confirm_new_label partman-lvm/confirm partman-lvm/confirm_nooverwrite
        partman-lvm/device_remove_lvm partman-md/confirm partman-md/confirm_nooverwrite partman-md/device_remove_md
        partman-partitioning/confirm_write_new_label partman-efi/non_efi_system partman-basicfilesystems/no_swap
        base-installer/install-recommends pkgsel/run_tasksel popularity-contest/participate
        grub-installer/only_debian grub-installer/with_other_os grub-installer/force-efi-extra-removable
        grub-installer/skip cdrom-detect/eject finish-install/keep-consoles debian-installer/exit/halt
        debian-installer/exit/poweroff debian-installer/exit/always_halt""",
    "select": """
        keyboard-configuration/xkb-keymap netcfg/choose_interface netcfg/dhcp_options partman/choose_partition
        partman/mount_style partman-auto/choose_recipe partman-auto/init_automatically_partition pkgsel/upgrade
        pkgsel/update-policy mirror/http/countries""",
    "multiselect": "tasksel/first apt-setup/services-select debian-installer/locales localechooser/supported-locales",
    "password": """
        passwd/root-password passwd/root-password-again passwd/root-password-crypted passwd/user-password
        passwd/user-password-again passwd/user-password-crypted grub-installer/password grub-installer/password-again
        grub-installer/password-crypted partman-crypto/passphrase partman-crypto/passphrase-again""",
    "note": "finish-install/reboot_in_progress netcfg/dhcp_failed apt-setup/cdrom/failed",
}
_TYPE_OF = {name: kind for kind, names in _KNOWN.items() for name in names.split()}
# d-i itself has these under other types in different releases; either is taken.
_LOOSE = {"string", "select", "multiselect", "text"}


def lint(text: str, system: System, firmware: str) -> tuple[Fault, ...]:  # noqa: ARG001 (every release asks the same)
    """Return every fault of a preseed file in the order of its lines; `firmware` is 'bios' or 'uefi'."""
    if len(text) > _LARGEST:
        return (Fault(line=0, text="The file is larger than 1 MiB."),)
    faults = list(_form(text))
    text = text.removeprefix("\ufeff")
    answers = tuple(_read(text, faults))
    for answer in answers:
        faults += _one(answer)
    last: dict[str, Answer] = {}
    for answer in answers:
        if answer.kind == "seen":
            continue
        if answer.question in last:
            before = last[answer.question].line
            faults.append(answer.warning(f"'{answer.question}' was answered in line {before} already; this one wins."))
        last[answer.question] = answer
    faults += answer_faults(last, firmware)
    return tuple(sorted(dict.fromkeys(faults), key=lambda fault: fault.line))[:_MOST_FAULTS]


def _form(text: str) -> Iterator[Fault]:
    if text.startswith("\ufeff"):
        lost = text.removeprefix("\ufeff").lstrip().startswith("d-i")
        harm = "the first line's owner is not 'd-i' then" if lost else "the first line is no comment then"
        yield Fault(line=1, text=f"The file begins with a byte order mark: {harm}.", severity="warning")
    if (place := text.find("\r\n")) >= 0:
        told = "The line ends are those of Windows (CRLF): the installer reads them as its own, other programs may not."
        yield Fault(line=text.count("\n", 0, place) + 1, text=told, severity="warning")


def _read(text: str, faults: list[Fault]) -> Iterator[Answer]:
    """Yield the selections; a line that ends in a backslash goes on in the next, comments included."""
    for number, joined in _logical_lines(text, faults):
        if not joined.strip() or joined.lstrip().startswith("#"):
            continue
        match = _SELECTION.fullmatch(joined)
        if match is None or match[3] not in _TYPES:
            words = joined.split()
            hint = " Is the owner, such as 'd-i', missing?" if words[1:2] and words[1] in _TYPES else ""
            told = "The installer skips this line: it needs an owner, a question, a type of debconf's and a value."
            faults.append(Fault(line=number, text=told + hint, severity="warning"))
        else:
            yield Answer(line=number, question=match[2], kind=match[3], value=match[4] or "")


def _logical_lines(text: str, faults: list[Fault]) -> Iterator[tuple[int, str]]:
    lines = text.split("\n")
    number = 0
    while number < len(lines):
        start, joined = number + 1, lines[number].removesuffix("\r")
        while joined.endswith("\\") and number + 1 < len(lines):
            number += 1
            told = _swallowed(joined, lines[number])
            if told:
                faults.append(Fault(line=number + 1, text=told, severity="warning"))
            joined = joined[:-1] + lines[number].removesuffix("\r")
        if re.search(r"\\[ \t]+$", joined):
            faults.append(
                Fault(line=number + 1, text="There are blanks after the backslash, so the line does not go on.")
            )
        yield start, joined
        number += 1


def _swallowed(before: str, line: str) -> str:
    """Say what a line becomes that the line before goes on in; nothing where that is meant."""
    if before.lstrip().startswith("#"):
        meant = line.lstrip().startswith("#") or not line.strip()
        return "" if meant else "This line is part of the comment before it, which ends in a backslash."
    meant = not line.lstrip().startswith("#")
    return "" if meant else "This comment is part of the value that the line before goes on."


def _one(answer: Answer) -> Iterator[Fault]:
    if answer.kind in {"boolean", "seen"} and answer.value not in {"true", "false"}:
        was = "has blanks behind it" if answer.value.strip() in {"true", "false"} else "is neither 'true' nor 'false'"
        yield answer.warning(
            f"The value of '{answer.question}' {was}, so it is not what the installer compares it with."
        )
    known = _TYPE_OF.get(answer.question)
    if known is None:
        near = difflib.get_close_matches(answer.question, _TYPE_OF, n=1, cutoff=0.92)
        if near:
            yield answer.warning(f"'{answer.question}' is not a question that is known here; did you mean '{near[0]}'?")
    elif answer.kind not in {known, "seen"} and not {answer.kind, known} <= _LOOSE:
        yield answer.warning(f"'{answer.question}' is of type '{known}', not '{answer.kind}'.")
    if answer.question.endswith(("_command", "/run")):
        yield from _command(answer)


def _command(answer: Answer) -> Iterator[Fault]:
    if answer.question == "preseed/late_command":
        for fault in late_command_faults(answer.value, "'debian-installer/exit/poweroff'"):
            yield replace(fault, line=answer.line)
    elif answer.question == "preseed/early_command":
        for command in shell_commands(answer.value):
            if command.words[0] == "in-target" or any(word.startswith("/target/") for word in _paths(command)):
                text = "There is no /target yet when this command runs."
                yield answer.error(text) if command.certain else answer.warning(text)


def _paths(command: ShellCommand) -> tuple[str, ...]:
    return (*command.words, *command.writes)
