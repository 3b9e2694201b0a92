"""GRUB_CMDLINE_LINUX in /etc/default/grub, a file of shell assignments (grub2-mkconfig sources it): pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from imgpipe.errors import HostError

ARGUMENTS = ("net.ifnames=0", "biosdevname=0")

# One assignment on one line: bare, in double or in single quotes, with a comment behind it perhaps.
_ASSIGNMENT = re.compile(
    r"""^(?P<head>[ \t]*(?:export[ \t]+)?GRUB_CMDLINE_LINUX=)"""
    r"""(?:"(?P<double>(?:[^"\\\n]|\\.)*)"|'(?P<single>[^'\n]*)'|(?P<bare>[^\s"'#]*))(?P<tail>[ \t]*(?:#.*)?)$""",
    re.MULTILINE,
)
_ANY = re.compile(r"^[ \t]*(?:export[ \t]+)?GRUB_CMDLINE_LINUX\+?=", re.MULTILINE)


def arguments(text: str) -> tuple[str, ...]:
    """Return the words of the last assignment, which is the one that counts."""
    found = _last(text)
    return tuple(_value(found).split()) if found else ()


def lacking(words: Iterable[str], wanted: tuple[str, ...] = ARGUMENTS) -> tuple[str, ...]:
    """Return which of `wanted` are not in force among kernel arguments: of several values the last one counts."""
    last = {word.partition("=")[0]: word for word in words}
    return tuple(word for word in wanted if last.get(word.partition("=")[0]) != word)


def with_arguments(text: str, wanted: tuple[str, ...] = ARGUMENTS) -> str:
    """Return the text with `wanted` as last words; other values of the same arguments go."""
    names = {word.partition("=")[0] for word in wanted}
    kept = [word for word in arguments(text) if word.partition("=")[0] not in names]
    if set(wanted) <= set(arguments(text)) and len(kept) + len(wanted) == len(arguments(text)):
        return text
    return _replaced(text, (*kept, *wanted))


def without_arguments(text: str, unwanted: tuple[str, ...]) -> str:
    """Return the text without the words `unwanted`."""
    kept = tuple(word for word in arguments(text) if word not in unwanted)
    return text if kept == arguments(text) else _replaced(text, kept)


def value_of(text: str, name: str) -> str:
    """Return what a plain assignment of another variable says, without quotes; empty where there is none."""
    found = re.findall(rf"^[ \t]*{re.escape(name)}=(.*)$", text, re.MULTILINE)
    return found[-1].strip().strip("\"'") if found else ""


def _replaced(text: str, words: tuple[str, ...]) -> str:
    found = _last(text)
    line = " ".join(words)
    if found is None:
        return f'{text}{"" if text.endswith(chr(10)) or not text else chr(10)}GRUB_CMDLINE_LINUX="{line}"\n'
    quote = "'" if found["single"] is not None else '"'
    return f"{text[: found.start()]}{found['head']}{quote}{line}{quote}{found['tail']}{text[found.end() :]}"


def _last(text: str) -> re.Match[str] | None:
    """Return the assignment that counts; raises HostError for one that cannot be changed safely."""
    found = list(_ASSIGNMENT.finditer(text))
    written = [match.start() for match in _ANY.finditer(text)]
    if written and (not found or written[-1] != found[-1].start()):
        raise HostError(
            "GRUB_CMDLINE_LINUX in '/etc/default/grub' is written in a way that imgpipe does not change.",
            hint=f"Write it as one line in double quotes, or add '{' '.join(ARGUMENTS)}' to it yourself.",
        )
    return found[-1] if found else None


def _value(found: re.Match[str]) -> str:
    return next(found[name] for name in ("double", "single", "bare") if found[name] is not None)
