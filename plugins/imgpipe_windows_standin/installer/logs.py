"""The logs Windows leaves behind, in its form: those of Setup, of sysprep, and of device installations."""

from __future__ import annotations

import codecs
import time
from pathlib import Path


class PantherLog:
    """The pair setupact.log and setuperr.log of a folder; with `utf16` they are UTF-16 with a byte order mark."""

    def __init__(self, folder: Path, *, utf16: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._utf16 = utf16
        for name in ("setupact.log", "setuperr.log"):
            (folder / name).touch()

    def note(self, source: str, text: str) -> None:
        """Log what was done."""
        self._append("setupact.log", "Info", source, text)

    def fail(self, source: str, text: str) -> None:
        """Log what failed, in both files."""
        for name in ("setupact.log", "setuperr.log"):
            self._append(name, "Error", source, text)

    def _append(self, name: str, level: str, source: str, text: str) -> None:
        stamp = time.strftime("%Y-%m-%d %H:%M:%S")
        append(self._folder / name, f"{stamp}, {level:<21} {source:<6} {text}", utf16=self._utf16)


def log_device(path: Path, driver: str, code: int) -> None:
    """Append the section that the installation of a driver leaves in setupapi.dev.log."""
    stamp = time.strftime("%Y/%m/%d %H:%M:%S.000")
    result = "SUCCESS" if code == 0 else f"FAILURE(0x{code:08x})"
    for line in (
        f">>>  [Setup Import Driver Package - {driver}.inf]",
        f">>>  Section start {stamp}",
        "     sto: imgpipe stand-in: nothing is installed",
        f"<<<  Section end {stamp}",
        f"<<<  [Exit status: {result}]",
        "",
    ):
        append(path, line)


def append(path: Path, line: str, *, utf16: bool = False) -> None:
    """Append a line with Windows' line end, after a byte order mark if the file is new and UTF-16."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        if utf16 and file.tell() == 0:
            file.write(codecs.BOM_UTF16_LE)
        file.write((line + "\r\n").encode("utf-16-le" if utf16 else "utf-8"))
