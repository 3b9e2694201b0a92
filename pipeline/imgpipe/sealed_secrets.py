"""The passwords in answer files, and where installers leave copies of answer files."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

from imgpipe.crypt_methods import hashes
from imgpipe.plan import Plan, secret_texts

_DEEPEST = 8


def _below(folder: str, depth: int = _DEEPEST) -> tuple[str, ...]:
    """Return patterns of what is below a folder: glob(7) has none for any depth."""
    return tuple(folder + "/*" * level for level in range(1, depth + 1))


SECRET_PLACES = (
    "/*",
    "/.[!.]*",
    "/boot/*",
    "/boot/grub*/*",
    "/boot/loader/entries/*",
    "/etc/*",
    "/etc/apt/*",
    "/etc/apt/*/*",
    "/etc/cloud/*",
    "/etc/cloud/*/*",
    "/etc/default/*",
    "/etc/kernel/*",
    "/etc/sysconfig/*",
    "/etc/yum.repos.d/*",
    *_below("/root", 2),
    "/root/.[!.]*",
    "/home/*/*",
    "/home/*/.[!.]*",
    *_below("/tmp", 3),  # noqa: S108 (inside the image)
    "/tmp/.[!.]*",  # noqa: S108
    *_below("/var/tmp", 3),  # noqa: S108
    *_below("/run", 3),
    "/var/backups/*",
    "/var/cache/debconf/*",
    "/var/crash/*",
    "/var/lib/cdebconf/*",
    *_below("/var/lib/cloud", 5),
    *_below("/var/lib/debian-installer", 3),
    "/var/lib/initramfs-tools/*",
    "/var/lib/initramfs-tools/.[!.]*",
    *_below("/var/log"),
)
"""Glob patterns inside a guest (glob(7), where no '*' stands for a first dot).

docs/decisions/where-installers-leave-passwords.md says who leaves what.
"""

# Shorter ones would be found in innocent files.
_SHORTEST = 6

# The login of a mirror or proxy.
_LOGIN = re.compile(r"://[^\s/@:'\"]*:(?P<word>[^\s/'\"]+)@")
# What Windows obfuscates: base64 of UTF-16, with the name of the setting after the password.
_ENCODED = re.compile(r"<(?:\w+:)?Value>\s*(?P<word>[^<\s]+)\s*</")
_SUFFIXES = ("AdministratorPassword", "Password")
_PLAIN = (
    re.compile(r"^[ \t]*rootpw[ \t]+(?:--\S+[ \t]+)*(?P<word>[^-\s]\S*)", re.MULTILINE),
    re.compile(r"--password[= ](?P<word>\S+)"),
    re.compile(r"^[ \t]*\S+[ \t]+\S*password\S*[ \t]+password[ \t]+(?P<word>\S.*?)[ \t]*$", re.MULTILINE),
    re.compile(
        r"^[ \t]*(?:password|passphrase|plain_text_passwd)[ \t]*:[ \t]*['\"]?(?P<word>[^'\"\s#]+)", re.MULTILINE
    ),
)


def passwords(plan: Plan) -> tuple[str, ...]:
    """Return the password hashes, plain passwords and those of URLs in the plan's secret answer files, each once."""
    found: dict[str, None] = {}
    for file in secret_texts(plan):
        words = list(hashes(file.text))
        for pattern in _PLAIN:
            words += [match["word"].strip("\"'") for match in pattern.finditer(file.text)]
        words += [match["word"] for match in _LOGIN.finditer(file.text)]
        for match in _ENCODED.finditer(file.text):
            words += [match["word"], *_decoded(match["word"])]
        found.update(dict.fromkeys(word for word in words if len(word) >= _SHORTEST))
    return tuple(found)


def _decoded(word: str) -> Iterator[str]:
    try:
        text = base64.b64decode(word, validate=True).decode("utf-16-le")
    except ValueError:
        return
    for suffix in _SUFFIXES:
        if text.endswith(suffix):
            yield text.removesuffix(suffix)
            return
