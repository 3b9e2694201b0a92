"""Collecting what a bundle holds: all parts at once, each with a time and a size of its own, secrets taken out."""

from __future__ import annotations

import json
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from pathlib import Path

from imgpipe.disclosure import for_strangers, printable
from imgpipe.errors import HostError, ImgpipeError

LARGEST = 512 * 1024
"""How many characters a file of a bundle has at most."""
_LONGEST_LINE = 4096
_LONGEST_REASON = 1000


@dataclass(frozen=True, slots=True)
class Item:
    """A file of a bundle: its name, a sentence of what it is, and what collects it in `patience_s` seconds at most.

    What is collected is text, or a value that JSON has.
    """

    name: str
    about: str
    collect: Callable[[], object]
    patience_s: float = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What came of an item; `missing` says why there is nothing, `cut` that it was longer."""

    name: str
    about: str
    text: str = ""
    missing: str = ""
    cut: bool = False


def collect(items: Sequence[Item], users: Iterable[str]) -> tuple[Collected, ...]:
    """Collect all items beside each other; one that fails or hangs costs no other. `users` are names to leave out."""
    hidden = tuple(users)
    start = time.monotonic()
    begun = [(item, _begin(item)) for item in items]
    return tuple(_told(item, future, start, hidden) for item, future in begun)


def manifest(found: Iterable[Collected], stamp: str) -> str:
    """Return the text that says what each file of a bundle is, and what could not be collected."""
    lines = [
        f"What 'imgpipe doctor --bundle' collected, {stamp} UTC.",
        "",
        "Left out everywhere: passwords and their hashes, what follows 'password=', 'token=' and the like in a line,",
        "logins and queries of URLs, IP and MAC addresses, names of users, the environment, the values of settings",
        "that may hold any of these. Marked as (secret), (address), (MAC) and (user).",
        "",
    ]
    for one in found:
        lines.append(f"{one.name}: {one.about}")
        if one.missing:
            lines.append(f"    NOT COLLECTED: {one.missing}")
        if one.cut:
            lines.append(f"    SHORTENED to its first {LARGEST // 1024} KiB.")
    return "\n".join(lines) + "\n"


def _begin(item: Item) -> Future[object]:
    future: Future[object] = Future()
    # A daemon's thread: what hangs for ever shall not keep the process from its end.
    threading.Thread(target=_into, args=(future, item), name=f"bundle-{item.name}", daemon=True).start()
    return future


def _into(future: Future[object], item: Item) -> None:
    try:
        future.set_result(item.collect())
    except Exception as error:
        future.set_exception(error)


def _told(item: Item, future: Future[object], start: float, users: tuple[str, ...]) -> Collected:
    wait([future], timeout=max(0.0, start + item.patience_s - time.monotonic()))
    if not future.done():
        return Collected(
            name=item.name, about=item.about, missing=f"It did not end within {item.patience_s:.0f} seconds."
        )
    if error := future.exception():
        reason = printable(_clean(_reason(error), users), _LONGEST_REASON)
        return Collected(name=item.name, about=item.about, missing=" ".join(reason.split()))
    value = future.result()
    text = _clean(value, users) if isinstance(value, str) else f"{json.dumps(_cleaned(value, users), indent=1)}\n"
    return Collected(name=item.name, about=item.about, text=text[:LARGEST], cut=len(text) > LARGEST)


def _reason(error: BaseException) -> str:
    """Return why something could not be collected; of a bug its kind and place alone, as in its text anything may be.

    The faults of a file are not told, because they may quote it.
    """
    if isinstance(error, ImgpipeError):
        return " ".join((str(error), *(error.details[-2:] if isinstance(error, HostError) else ())))
    if isinstance(error, OSError):
        return f"{error.strerror or type(error).__name__} ({error.filename})."
    frames = traceback.extract_tb(error.__traceback__)
    place = f" in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""
    return f"A bug: {type(error).__name__}{place}."


def _cleaned(value: object, users: tuple[str, ...]) -> object:
    """Return a value of JSON with all its texts, keys included, as they may be sent."""
    if isinstance(value, str):
        return _clean(value, users)
    if isinstance(value, Mapping):
        return {_clean(str(key), users): _cleaned(each, users) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(each, users) for each in value]
    return value if isinstance(value, int | float | None) else _clean(str(value), users)


def _clean(text: str, users: tuple[str, ...]) -> str:
    """Return text as it may be sent, at most a little more than a file may have; each line is bounded too."""
    lines = printable(text[: LARGEST + 1], sys.maxsize).split("\n")
    return "\n".join(for_strangers(printable(line, _LONGEST_LINE), users) for line in lines)
