"""A guest's console as lines of plain text.

What a guest prints is hostile: escape sequences (ECMA-48, and xterm's strings) go, the length of a line and the
number of lines kept are bounded, and no control or formatting character is left. A screen drawn with cursor
movements (tmux, newt dialogs) becomes one line for each stretch of text that it places.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections import deque

LONGEST_LINE = 4096
LINES_KEPT = 200

_ESC = "\x1b"
# A string (title, device control) that never ends would swallow the console, so its length is bounded.
_STRING = rf"{_ESC}[\]PX^_][^\x07\x1b]{{0,1000}}(?:\x07|{_ESC}\\)"
_CONTROL = rf"{_ESC}\[(?P<arguments>[0-?]{{0,64}})[ -/]{{0,8}}(?P<final>[@-~])"
_TOKENS = re.compile(rf"{_STRING}|{_CONTROL}|{_ESC}[ -/]{{0,8}}[0-~]|\r\n|[\r\n\v\f\x0e\x0f]")
_UNFINISHED = re.compile(
    rf"(?:{_ESC}(?:[\]PX^_][^\x07\x1b]{{0,1000}}{_ESC}?|\[[0-?]{{0,64}}[ -/]{{0,8}}|[ -/]{{0,8}})?|\r)\Z"
)
_BREAKS = frozenset({"\r\n", "\r", "\n", "\v", "\f"})
_DRAWS = {"\x0e": True, f"{_ESC}(0": True, "\x0f": False, f"{_ESC}(B": False}
"""What switches to the line-drawing characters of the VT100, whose frames are no text, and back."""
_MOVES = frozenset("ABEFHJSTdfr")
"""Final bytes of the sequences that move the cursor to another line or clear it: text after them is another line."""


class LineDecoder:
    """Turns a console's bytes, in whatever pieces they come, into lines."""

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._rest = ""
        self._open = ""
        self._draws = False
        self.lines: deque[str] = deque(maxlen=LINES_KEPT)

    @property
    def open_line(self) -> str:
        """The text after the last line break: a prompt, or a line still being written."""
        return plain(self._open)

    @property
    def last_line(self) -> str:
        """The last text shown, whether its line has ended or not."""
        return self.open_line or (self.lines[-1] if self.lines else "")

    def feed(self, data: bytes) -> list[str]:
        """Take more bytes; return the lines that are complete now, without empty ones."""
        text = self._rest + self._decode(data)
        # A sequence cut in two by the end of the data waits for its other half.
        unfinished = _UNFINISHED.search(text)
        cut = unfinished.start() if unfinished else len(text)
        text, self._rest = text[:cut], text[cut:]
        found: list[str] = []
        place = 0
        for token in _TOKENS.finditer(text):
            self._take(text[place : token.start()], found)
            self._obey(token, found)
            place = token.end()
        self._take(text[place:], found)
        self.lines.extend(found)
        return found

    def _obey(self, token: re.Match[str], found: list[str]) -> None:
        self._draws = _DRAWS.get(token[0], self._draws)
        if token[0] in _BREAKS:
            # No frame goes on over a line break, so a stray switch cannot hide what follows.
            self._draws = False
            self._end_line(found)
        elif token["final"] in _MOVES:
            self._end_line(found)
        elif token["final"] == "C":
            # Programs skip blanks by moving the cursor over them.
            self._open += " "

    def _take(self, text: str, found: list[str]) -> None:
        if not self._draws:
            self._open += text
        whole = len(self._open) // LONGEST_LINE * LONGEST_LINE
        for start in range(0, whole, LONGEST_LINE):
            found.extend(line for line in (plain(self._open[start : start + LONGEST_LINE]),) if line)
        self._open = self._open[whole:]

    def _end_line(self, found: list[str]) -> None:
        line, self._open = plain(self._open), ""
        if line:
            found.append(line)


def plain(text: str) -> str:
    """Return `text` without control, formatting and unassigned characters, and without the blanks around it."""
    text = text.replace("\t", " ")
    if not text.isascii() or not text.isprintable():
        text = "".join(character for character in text if _is_shown(character))
    return text.strip()


def _is_shown(character: str) -> bool:
    return not unicodedata.category(character).startswith("C") and character not in "\u2028\u2029"
