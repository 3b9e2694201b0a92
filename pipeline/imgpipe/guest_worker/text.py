"""Texts from a hostile guest, and the error that carries one."""

from __future__ import annotations

from collections.abc import Iterable

MOST_TEXT = 4096


class WorkerError(Exception):
    """Something is wrong with the disk."""

    def __init__(self, message: str, details: Iterable[str] = ()) -> None:
        super().__init__(printable(message))
        self.details = [printable(detail) for detail in details]


def printable(text: str) -> str:
    """Return the start of `text` without control characters."""
    return "".join(sign for sign in text[:MOST_TEXT] if sign.isprintable())


def as_bytes(value: bytes | str) -> bytes:
    """Return what libguestfs read; its older bindings return it as str."""
    return value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")
