"""Lint of a recipe of partitions for partman: doc/devel/partman-auto-recipe.txt of the installer's source."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator


def recipe_faults(text: str, *, method: str, firmware: str, gpt: bool) -> Iterator[str]:
    """Yield what is wrong with a recipe for a disk that is partitioned by `method`, with a GPT or not."""
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
