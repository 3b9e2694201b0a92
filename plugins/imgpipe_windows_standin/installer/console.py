"""What the program shows: text on the screen for people, lines on COM1 as first-logon scripts print them."""

from __future__ import annotations

from pathlib import Path

_SCREEN = Path("/dev/tty0")
_COM1 = Path("/dev/ttyS0")
# White on blue, the whole screen; the cursor is switched off because it would blink.
_CLEAR = "\033[?25l\033[37;44m\033[2J\033[H"


def show(text: str) -> None:
    """Show a line on the screen."""
    _write(_SCREEN, f"{text}\n")


def show_alone(title: str, text: str) -> None:
    """Show a text on an otherwise empty screen."""
    _write(_SCREEN, f"{_CLEAR}\n\n  {title}\n\n  {text}\n")


def report(text: str) -> None:
    """Print a progress line on COM1 (and show it)."""
    _write(_COM1, f"imgpipe: {text}\r\n")
    show(f"imgpipe: {text}")


def mention(text: str) -> None:
    """Print a line on COM1 that is none of the scripts' own."""
    _write(_COM1, f"imgpipe stand-in: {text}\r\n")
    show(text)


def _write(path: Path, text: str) -> None:
    with path.open("w") as file:
        file.write(text)
