"""Lint of debconf preseed files: their form, and what would make debian-installer fail, ask or wait.

Formats: debconf-set-selections(1), and doc/devel/partman-auto-recipe.txt of the installer's source.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from imgpipe.crypt_methods import is_hash
from imgpipe.os_family import Fault, System

_LARGEST = 2**20
_MOST_FAULTS = 200
_TYPES = {"string", "boolean", "select", "multiselect", "note", "password", "text", "title", "seen"}
_SELECTION = re.compile(r"\s*(\S+)\s+(\S+)\s+(\S+)(?:\s(.*))?", re.DOTALL)
_QUESTION = re.compile(r"[A-Za-z0-9+.@_-]+(/[A-Za-z0-9+.@_-]+)+")

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

_CONFIRMED = (
    ("partman-partitioning/confirm_write_new_label", "true"),
    ("partman/choose_partition", "finish"),
    ("partman/confirm", "true"),
    ("partman/confirm_nooverwrite", "true"),
)
_CONFIRMED_LVM = (("partman-lvm/confirm", "true"), ("partman-lvm/confirm_nooverwrite", "true"))

_PITFALLS = (
    (
        re.compile(r"\bsystemctl\s+(?:--\S+\s+)*(?:start|restart|stop|reload)\b|\bservice\s+\S+\s+(?:re)?start\b"),
        "Services cannot be started in the target, as it is not running; 'systemctl enable' is enough.",
    ),
    (
        re.compile(r"\bsysctl\s+(?:-p|--load|--system|-w|--write)"),
        "It changes the installer's kernel; a file in /target/etc/sysctl.d is enough.",
    ),
    (
        re.compile(r"(?:>{1,2}\s*|\btee\s+(?:-a\s+)?)/etc/"),
        "It writes to the installer's own /etc; the target's is /target/etc.",
    ),
    (
        re.compile(
            r"\bapt(?:-get)?(?=\s)(?![^;&|]*\s(?:-[a-z]*y[a-z]*|--yes|--assume-yes)\b)[^;&|]*\b(?:install|purge)\b"
        ),
        "apt-get asks without '--yes', and nobody answers.",
    ),
)
_ENDS_THE_MACHINE = re.compile(r"(?:^|[;&|]\s*|\bin-target\s+)(?:reboot|poweroff|halt|shutdown)\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    line: int
    question: str
    kind: str
    value: str

    def error(self, text: str) -> Fault:
        return Fault(line=self.line, text=text)

    def warning(self, text: str) -> Fault:
        return Fault(line=self.line, text=text, severity="warning")


def lint(text: str, system: System, firmware: str) -> tuple[Fault, ...]:  # noqa: ARG001 (every release asks the same)
    """Return every fault of a preseed file in the order of its lines; `firmware` is 'bios' or 'uefi'."""
    if len(text) > _LARGEST:
        return (Fault(line=0, text="The file is larger than 1 MiB."),)
    faults: list[Fault] = []
    answers = tuple(_read(text, faults))
    for answer in answers:
        faults += _one(answer)
    last: dict[str, _Answer] = {}
    for answer in answers:
        if answer.kind == "seen":
            continue
        if answer.question in last:
            before = last[answer.question].line
            faults.append(answer.warning(f"'{answer.question}' was answered in line {before} already; this one wins."))
        last[answer.question] = answer
    faults += _unattended(last)
    faults += _accounts(last)
    faults += _disk(last, firmware)
    return tuple(sorted(dict.fromkeys(faults), key=lambda fault: fault.line))[:_MOST_FAULTS]


def _read(text: str, faults: list[Fault]) -> Iterator[_Answer]:
    """Yield the selections; a line that ends in a backslash goes on in the next, comments included."""
    for number, joined in _logical_lines(text, faults):
        if not joined.strip() or joined.lstrip().startswith("#"):
            continue
        match = _SELECTION.fullmatch(joined)
        if match is None:
            faults.append(Fault(line=number, text="A line needs an owner, a question, a type and a value."))
        elif not _QUESTION.fullmatch(match[2]):
            faults.append(Fault(line=number, text=f"'{match[2]}' is not the name of a question; is the owner missing?"))
        elif match[3] not in _TYPES:
            faults.append(Fault(line=number, text=f"'{match[3]}' is not a type of debconf's."))
        else:
            yield _Answer(line=number, question=match[2], kind=match[3], value=match[4] or "")


def _logical_lines(text: str, faults: list[Fault]) -> Iterator[tuple[int, str]]:
    lines = text.split("\n")
    number = 0
    while number < len(lines):
        start, joined = number + 1, lines[number].removesuffix("\r")
        while joined.endswith("\\") and number + 1 < len(lines):
            number += 1
            joined = joined[:-1] + lines[number].removesuffix("\r")
            if lines[number].lstrip().startswith("#"):
                faults.append(
                    Fault(line=number + 1, text="This comment is part of the value that the line before goes on.")
                )
        if re.search(r"\\[ \t]+$", joined):
            faults.append(
                Fault(line=number + 1, text="There are blanks after the backslash, so the line does not go on.")
            )
        yield start, joined
        number += 1


def _one(answer: _Answer) -> Iterator[Fault]:
    if answer.value[:1].isspace() and answer.value.strip():
        text = f"The value of '{answer.question}' begins with blanks: exactly one stands between type and value."
        if answer.kind in {"boolean", "password"}:
            yield answer.error(text)
        elif not answer.question.endswith(("/expert_recipe", "_command", "/include")):
            yield answer.warning(text)
    if answer.kind in {"boolean", "seen"} and answer.value.strip() not in {"true", "false"}:
        yield answer.error(f"'{answer.question}' must be 'true' or 'false'.")
    known = _TYPE_OF.get(answer.question)
    if known is None:
        near = difflib.get_close_matches(answer.question, _TYPE_OF, n=1, cutoff=0.92)
        if near:
            yield answer.warning(f"'{answer.question}' is not a question that is known here; did you mean '{near[0]}'?")
    elif answer.kind not in {known, "seen"} and not {answer.kind, known} <= _LOOSE:
        yield answer.warning(f"'{answer.question}' is of type '{known}', not '{answer.kind}'.")
    if answer.question.endswith(("_command", "/run")):
        yield from _command(answer)


def _command(answer: _Answer) -> Iterator[Fault]:
    if answer.question == "preseed/late_command":
        yield from (answer.warning(reason) for pattern, reason in _PITFALLS if pattern.search(answer.value))
        if _ENDS_THE_MACHINE.search(answer.value):
            yield answer.error("It ends the machine too early; 'debian-installer/exit/poweroff' does it in the end.")
    elif answer.question == "preseed/early_command" and re.search(r"\bin-target\b|/target/", answer.value):
        yield answer.error("There is no /target yet when this command runs.")


def _value(last: Mapping[str, _Answer], question: str) -> str:
    return last[question].value.strip() if question in last else ""


def _unattended(last: Mapping[str, _Answer]) -> Iterator[Fault]:
    if _value(last, "debian-installer/exit/poweroff") != "true":
        yield _missing(last, "debian-installer/exit/poweroff", "must be 'true': a reboot would install again.")
    if _value(last, "debian-installer/exit/halt") == "true":
        yield last["debian-installer/exit/halt"].error("A halted machine stays on; leave this to 'exit/poweroff'.")
    if _value(last, "preseed/interactive") == "true":
        yield last["preseed/interactive"].error("It makes the installer wait for a human.")
    if "finish-install/reboot_in_progress" not in last:
        yield Fault(line=0, text="'finish-install/reboot_in_progress' is shown, and waits.", severity="warning")


def _missing(last: Mapping[str, _Answer], question: str, reason: str) -> Fault:
    """Blame the line of `question`, or none where it is not there; another file may answer it."""
    elsewhere = "preseed/include" in last or "preseed/run" in last
    text = f"'{question}' {reason}"
    if question in last:
        return last[question].error(text)
    return Fault(line=0, text=text, severity="warning" if elsewhere else "error")


def _accounts(last: Mapping[str, _Answer]) -> Iterator[Fault]:
    asked = (("root", "passwd/root-login"), ("user", "passwd/make-user"))
    for who, switch in asked:
        plain, crypted = f"passwd/{who}-password", f"passwd/{who}-password-crypted"
        if _value(last, switch) != "false" and not (_value(last, plain) or _value(last, crypted)):
            yield _missing(last, crypted, f"is asked for, unless '{switch}' is 'false'.")
        if _value(last, crypted) and not (is_hash(_value(last, crypted)) or set(_value(last, crypted)) <= {"*", "!"}):
            yield last[crypted].error(f"'{crypted}' must be a crypt(5) hash, not plain text.")
        for question in (plain, f"{plain}-again"):
            if _value(last, question):
                yield last[question].warning(f"The password is plain text; write '{crypted}' instead.")
    if _value(last, "passwd/make-user") != "false" and not _value(last, "passwd/username"):
        yield _missing(last, "passwd/username", "is asked for, unless 'passwd/make-user' is 'false'.")


def _disk(last: Mapping[str, _Answer], firmware: str) -> Iterator[Fault]:
    method = _value(last, "partman-auto/method")
    if method not in {"regular", "lvm"}:
        reason = "must be 'regular' or 'lvm': others ask for a passphrase or for more disks, or the disk is asked for."
        yield _missing(last, "partman-auto/method", reason)
    for question, wanted in (*_CONFIRMED, *(_CONFIRMED_LVM if method == "lvm" else ())):
        if _value(last, question) != wanted:
            yield _missing(last, question, f"must be '{wanted}', or the installer waits for a human.")
    if firmware == "bios" and not _value(last, "grub-installer/bootdev"):
        yield _missing(last, "grub-installer/bootdev", "is asked for on BIOS machines; 'default' takes the first disk.")
    if "partman-auto/expert_recipe" in last:
        gpt = "gpt" in (_value(last, "partman-partitioning/default_label"), _value(last, "partman/default_label"))
        answer = last["partman-auto/expert_recipe"]
        yield from (answer.error(reason) for reason in _recipe(answer.value, method=method, firmware=firmware, gpt=gpt))


def _recipe(text: str, *, method: str, firmware: str, gpt: bool) -> Iterator[str]:
    words = text.split()
    if words[1:2] != ["::"]:
        yield "A recipe begins with its name and '::'."
        return
    if text.count("{") != text.count("}"):
        yield "The braces of the recipe do not match."
    parts = _parts(words[2:])
    if words[-1] != ".":
        yield "The last partition of the recipe does not end with a full stop of its own."
    for part in parts:
        yield from _sizes(part)
    flat = " ".join(words)
    if "mountpoint{ / }" not in flat:
        yield "The recipe has no partition for '/'."
    if firmware == "bios" and gpt and "method{ biosgrub }" not in flat:
        yield "On a GPT, GRUB of a BIOS machine needs a partition with 'method{ biosgrub }'."
    if firmware == "uefi" and "method{ efi }" not in flat:
        yield "A UEFI machine needs a partition with 'method{ efi }'."
    if method == "lvm" and "$lvmok{ }" not in flat:
        yield "The method is LVM, and no partition of the recipe has '$lvmok{ }'."


def _parts(words: Iterable[str]) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for word in words:
        if word == ".":
            parts.append([])
        else:
            parts[-1].append(word)
    return [part for part in parts if part]


def _sizes(part: list[str]) -> Iterator[str]:
    numbers = [re.fullmatch(r"(-?\d{1,12})%?", word) for word in part[:3]]
    if len(numbers) < 3 or not all(numbers) or len(part) < 4:
        yield f"A partition begins with three sizes and a file system, not with '{' '.join(part[:4])[:80]}'."
        return
    least, _, most = (int(match[1]) for match in numbers if match)
    if most != -1 and not part[2].endswith("%") and least > most:
        yield f"The least size {least} of a partition is more than its greatest, {most}."
