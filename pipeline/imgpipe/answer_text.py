"""An answer file's bytes as text, exactly: no line end is changed, no mark is dropped and no encoding is guessed.

Answer files reach the installer as they are, in UTF-8; what is no UTF-8 would reach it as something else.
"""

from __future__ import annotations

import codecs

from imgpipe.os_family import Fault

_BYTE_ORDER_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def answer_text(data: bytes) -> str | Fault:
    """Return the text of an answer file, or the fault that keeps it from being one, with its line."""
    if data.startswith(_BYTE_ORDER_MARKS):
        return Fault(line=1, text="The file is encoded in UTF-16, and answer files are given to installers in UTF-8.")
    if (place := data.find(b"\0")) >= 0:
        what = "It seems to be encoded in UTF-16" if data[1:2] == b"\0" or data[:1] == b"\0" else "It is no text"
        return Fault(line=_line(data, place), text=f"There is a zero byte. {what}: save the file in UTF-8.")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        text = f"The line is not encoded in UTF-8{_guess(data)}: save the file in UTF-8."
        return Fault(line=_line(data, error.start), text=text)


def _line(data: bytes, place: int) -> int:
    return data.count(b"\n", 0, place) + 1


def _guess(data: bytes) -> str:
    try:
        data.decode("gb18030")
    except UnicodeDecodeError:
        return ""
    return " but, as it seems, in GBK or another encoding of one or two bytes"
