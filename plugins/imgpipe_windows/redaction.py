"""Secrets taken out of what Windows writes: its logs quote answer files, whole or cut anywhere.

Searching is linear in the text, which a guest wrote: no expression here can be made to search for long.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

HIDDEN = "(secret)"
KEY_HIDDEN = "(product key)"
_LONGEST_SECRET = 2000

_NAMES = r"(?:Value|PlainTextPassword|AdministratorPassword|Password|ProductKey|Key|Domain(?:Admin)?Password)"
_OPENING = re.compile(rf"(?:<|&lt;)(?:[\w.-]{{1,40}}:)?{_NAMES}(?:\s[^<>&]{{0,500}})?(?:>|&gt;)", re.IGNORECASE)
_CLOSING = re.compile(rf"(?:<|&lt;)/(?:[\w.-]{{1,40}}:)?{_NAMES}\s{{0,20}}(?:>|&gt;)", re.IGNORECASE)
_BRACKET = re.compile(r"<|&lt;")
_RIGHT_BRACKETS = (">", "&gt;")
_ASSIGNED = re.compile(
    r"((?:password|passwd|pwd|product ?key|productid|autologon)\w{0,40}[\"'\]]{0,2}[ \t]{0,20}[:=][ \t]{0,20})[^\r\n]+",
    re.IGNORECASE,
)
_ATTRIBUTE = re.compile(r"(\b(?:value|key)[ \t]{0,20}=[ \t]{0,20}[\"'])[^\"'\r\n]+", re.IGNORECASE)
_NET_USER = re.compile(r"(\bnet1?(?:\.exe)?\"?[ \t]{1,20}user[ \t]{1,20}\S{1,100}[ \t]{1,20})[^\r\n]+", re.IGNORECASE)
_PRODUCT_KEY = re.compile(r"\b[A-Z0-9]{5}(?:-[A-Z0-9]{5}){4}\b", re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/]{16,}={0,2}")
_ENCODED_END = "Password".encode("utf-16-le")


def redacted(text: str) -> str:
    """Return `text` without passwords and product keys: in XML, escaped XML, assignments, commands, and as base64."""
    text = _without(text, _spans(text))
    text = _PRODUCT_KEY.sub(KEY_HIDDEN, text)
    text = _BASE64.sub(_encoded_hidden, text)
    for pattern in (_ASSIGNED, _ATTRIBUTE, _NET_USER):
        text = pattern.sub(rf"\g<1>{HIDDEN}", text)
    return text


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield what stands in elements that hold secrets, also where one of the two tags was cut off."""
    for tag in _OPENING.finditer(text):
        end = _BRACKET.search(text, tag.end(), tag.end() + _LONGEST_SECRET)
        yield tag.end(), end.start() if end else min(len(text), tag.end() + _LONGEST_SECRET)
    for tag in _CLOSING.finditer(text):
        floor = max(0, tag.start() - _LONGEST_SECRET)
        starts = (
            found + len(bracket)
            for bracket in (*_RIGHT_BRACKETS, "\n")
            if (found := text.rfind(bracket, floor, tag.start())) >= 0
        )
        yield max(starts, default=floor), tag.start()


def _without(text: str, spans: Iterator[tuple[int, int]]) -> str:
    pieces, done = [], 0
    for start, end in sorted(spans):
        if end <= done or not text[start:end].strip():
            continue
        pieces += [text[done : max(start, done)], HIDDEN]
        done = end
    return "".join((*pieces, text[done:]))


def _encoded_hidden(found: re.Match[str]) -> str:
    word = found[0].rstrip("=")
    for skipped in range(4):
        piece = word[skipped:]
        try:
            decoded = base64.b64decode(piece[: len(piece) - len(piece) % 4] + _rest(piece))
        except ValueError:
            continue
        if decoded.endswith(_ENCODED_END):
            return HIDDEN
    return found[0]


def _rest(piece: str) -> str:
    left = piece[len(piece) - len(piece) % 4 :]
    return left + "=" * (4 - len(left)) if len(left) > 1 else ""
