"""What debian-installer asks in spite of the answers, or cannot do with them.

Sources: user-setup-ask of user-setup, confirm_changes and auto_init_disks of partman. The install machine has one disk,
/dev/vda, and it is blank.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from imgpipe.account_names import RESERVED
from imgpipe.crypt_methods import hash_fault
from imgpipe.os_family import Fault
from imgpipe.time_zones import is_time_zone
from imgpipe_debian.lint_recipe import recipe_faults

_DISK = "/dev/vda"
_DISK_NAME = re.compile(r"/dev/((?:sd|hd|vd|xvd)[a-z]+|nvme[0-9]+n[0-9]+|mmcblk[0-9]+)$")
_USER_NAME = re.compile(r"[a-z][-a-z0-9_]{0,31}")
_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer to a question of debconf's, with the line that it begins in."""

    line: int
    question: str
    kind: str
    value: str

    def error(self, text: str) -> Fault:
        """Return an error of this answer."""
        return Fault(line=self.line, text=text)

    def warning(self, text: str) -> Fault:
        """Return a warning of this answer."""
        return Fault(line=self.line, text=text, severity="warning")


Answers = Mapping[str, Answer]


def answer_faults(last: Answers, firmware: str) -> Iterator[Fault]:
    """Yield what is wrong with the answers that hold, each question's last one."""
    yield from _unattended(last)
    yield from _root(last)
    yield from _user(last)
    yield from _disk(last, firmware)
    yield from _disk_names(last)
    yield from _values(last)


def _value(last: Answers, question: str) -> str:
    return last[question].value.strip() if question in last else ""


def _unattended(last: Answers) -> Iterator[Fault]:
    if _value(last, "debian-installer/exit/halt") == "true":
        yield last["debian-installer/exit/halt"].error("A halted machine stays on; leave this to 'exit/poweroff'.")
    elif _value(last, "debian-installer/exit/poweroff") != "true":
        text = (
            "Without 'debian-installer/exit/poweroff' the machine reboots, which ends a build as well, for its machine "
            "ends where it would start again; other programs would boot the installer once more."
        )
        line = last["debian-installer/exit/poweroff"].line if "debian-installer/exit/poweroff" in last else 0
        yield Fault(line=line, text=text, severity="warning")
    if _value(last, "preseed/interactive") == "true":
        yield last["preseed/interactive"].error("It makes the installer wait for a human.")
    if "finish-install/reboot_in_progress" not in last:
        yield Fault(line=0, text="'finish-install/reboot_in_progress' is shown, and waits.", severity="warning")


def _missing(last: Answers, question: str, reason: str) -> Fault:
    """Blame the line of `question`, or none where it is not there; another file may answer it."""
    elsewhere = any(name in last for name in ("preseed/include", "preseed/include_command", "preseed/run"))
    text = f"'{question}' {reason}"
    if question in last:
        return last[question].error(text)
    return Fault(line=0, text=text, severity="warning" if elsewhere else "error")


def _root(last: Answers) -> Iterator[Fault]:
    yield from _passwords(last, "root")
    if _value(last, "passwd/root-login") == "false":
        return
    if _value(last, "passwd/root-password-crypted") == "!" and not _value(last, "passwd/root-password"):
        text = "'!' counts as no password here, and one is asked for: write 'passwd/root-login' 'false', or '*'."
        yield last["passwd/root-password-crypted"].error(text)
    yield from _asked(last, "root", "'passwd/root-login'")


def _user(last: Answers) -> Iterator[Fault]:
    made = _value(last, "passwd/make-user") != "false"
    if not made and _value(last, "passwd/root-login") == "false":
        text = "A user is made all the same where 'passwd/root-login' is 'false', and is asked for."
        if "passwd/username" not in last:
            yield last["passwd/make-user"].error(text)
        made = True
    yield from _passwords(last, "user")
    if not made or ("passwd/make-user" in last and _value(last, "passwd/make-user") == "false"):
        return
    for question in ("passwd/username", "passwd/user-fullname"):
        if question not in last or (question == "passwd/username" and not _value(last, question)):
            yield _missing(last, question, "is asked for, unless 'passwd/make-user' is 'false'.")
    name = _value(last, "passwd/username")
    if name and not _USER_NAME.fullmatch(name):
        text = f"'{name}' is refused, and asked for again: a name has small letters, digits, '-' and '_', 32 at most."
        yield last["passwd/username"].error(text)
    elif name in RESERVED:
        yield last["passwd/username"].error(f"The name '{name}' is reserved, and another one is asked for.")
    yield from _asked(last, "user", "'passwd/make-user'")


def _asked(last: Answers, who: str, switch: str) -> Iterator[Fault]:
    """Yield what makes the installer ask for a password: none, or one that is not there twice."""
    plain, again, crypted = (f"passwd/{who}-password{end}" for end in ("", "-again", "-crypted"))
    if _value(last, crypted):
        return
    if not _value(last, plain):
        yield _missing(last, crypted, f"is asked for, unless {switch} is 'false'.")
    elif _value(last, again) != _value(last, plain):
        yield _missing(last, again, f"is asked for where it is not what '{plain}' is.")


def _passwords(last: Answers, who: str) -> Iterator[Fault]:
    plain, crypted = f"passwd/{who}-password", f"passwd/{who}-password-crypted"
    if fault := hash_fault(_value(last, crypted)):
        text = f"'{crypted}' {fault.text}: nobody could log in with it."
        yield last[crypted].error(text) if fault.certain else last[crypted].warning(text)
    for question in (plain, f"{plain}-again"):
        if _value(last, question):
            yield last[question].warning(f"The password is plain text; write '{crypted}' instead.")


def _disk(last: Answers, firmware: str) -> Iterator[Fault]:
    method = _value(last, "partman-auto/method")
    if method not in {"regular", "lvm", "crypto"}:
        yield _missing(
            last, "partman-auto/method", "must be 'regular' or 'lvm', or the disk or more disks are asked for."
        )
    for question, wanted in _confirmations(method):
        # A choice may be given as it is shown, "Finish partitioning and write changes to disk", too.
        given = _value(last, question).lower()
        if given != wanted and not (wanted == "finish" and given.startswith(wanted)):
            yield _missing(last, question, f"must be '{wanted}', or the installer waits for a human.")
    if method == "crypto":
        yield from _crypto(last)
    if firmware == "bios" and not _value(last, "grub-installer/bootdev"):
        yield _missing(last, "grub-installer/bootdev", "is asked for on BIOS machines; 'default' takes the first disk.")
    if "partman-auto/expert_recipe" in last:
        gpt = "gpt" in (_value(last, "partman-partitioning/default_label"), _value(last, "partman/default_label"))
        answer = last["partman-auto/expert_recipe"]
        found = recipe_faults(answer.value, method=method, firmware=firmware, gpt=gpt)
        yield from (answer.error(reason) for reason in found)


def _confirmations(method: str) -> Iterator[tuple[str, str]]:
    """Yield what is confirmed on a blank disk, where nothing is overwritten and no label is replaced."""
    yield "partman/choose_partition", "finish"
    yield "partman/confirm_nooverwrite", "true"
    if method in {"lvm", "crypto"}:
        yield "partman-lvm/confirm_nooverwrite", "true"


def _crypto(last: Answers) -> Iterator[Fault]:
    for question in ("partman-crypto/passphrase", "partman-crypto/passphrase-again"):
        if not _value(last, question):
            yield _missing(last, question, "is asked for where the disk is encrypted.")
    text = "An encrypted disk asks for its passphrase at every boot of every clone."
    yield last["partman-auto/method"].warning(text)


def _disk_names(last: Answers) -> Iterator[Fault]:
    for question in ("partman-auto/disk", "grub-installer/bootdev", "partman-auto/select_disk"):
        for name in _value(last, question).split():
            if _DISK_NAME.match(name) and name != _DISK:
                yield last[question].error(f"The machine has no disk '{name}': its only one is '{_DISK}'.")


def _values(last: Answers) -> Iterator[Fault]:
    zone = _value(last, "time/zone")
    if zone and not is_time_zone(zone):
        yield last["time/zone"].error(f"There is no time zone '{zone}'.")
    for question in ("netcfg/get_hostname", "netcfg/hostname"):
        name = _value(last, question)
        if name and not _HOST_NAME.fullmatch(name):
            yield last[question].error(f"'{name}' is no host name, and another one is asked for.")
    if _value(last, "netcfg/disable_autoconfig") == "true" or _value(last, "netcfg/disable_dhcp") == "true":
        yield from _addresses(last)


def _addresses(last: Answers) -> Iterator[Fault]:
    questions = ("netcfg/get_ipaddress", "netcfg/get_netmask", "netcfg/get_gateway", "netcfg/get_nameservers")
    found = {}
    for question in questions:
        for word in _value(last, question).split():
            try:
                found[question] = IPv4Address(word)
            except ValueError:
                if ":" not in word and word != "none":
                    yield last[question].error(f"'{word}' of '{question}' is no IP address, and one is asked for.")
    address, mask, gateway = (found.get(question) for question in questions[:3])
    if address and mask and gateway:
        try:
            inside = gateway in IPv4Network((int(address), str(mask)), strict=False)
        except ValueError:
            yield last["netcfg/get_netmask"].error(f"'{mask}' is no netmask, and one is asked for.")
            return
        if not inside:
            text = f"The gateway '{gateway}' is not in the network of '{address}' with '{mask}'."
            yield last["netcfg/get_gateway"].warning(text)
