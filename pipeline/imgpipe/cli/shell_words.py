"""The words that a shell asks to be completed: what it asks in its environment, and what is printed for it.

typer's own scripts ask (`imgpipe --show-completion`): bash by COMP_WORDS, a word a line, and COMP_CWORD; zsh and fish
by _TYPER_COMPLETE_ARGS.
"""

from __future__ import annotations

import io
import os
import re
import sys
import threading
from collections.abc import MutableMapping
from contextlib import redirect_stdout

import typer

# bash takes a word apart at these, and lets only its last part be replaced (bash(1): COMP_WORDBREAKS, hostcomplete).
_BREAKS = frozenset("@:=")
_PATIENCE_SECONDS = 2.0


def be_silent_and_quick() -> None:
    """Say nothing on stderr, where a line is being typed, and end without an answer where one is not found soon.

    A daemon may hang; libvirt's calls let other threads run.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    watch = threading.Timer(_PATIENCE_SECONDS, os._exit, (1,))
    watch.daemon = True
    watch.start()


def asked(environ: MutableMapping[str, str]) -> tuple[list[str], str]:
    """Return the words behind the program's name, and what the current one has before the part that bash replaces.

    The words that bash took apart are put together in the environment too, for typer to read.
    """
    if "COMP_WORDS" not in environ:
        return environ.get("_TYPER_COMPLETE_ARGS", "").split()[1:], ""
    words, place, before = whole_words(re.split(r"\s", environ["COMP_WORDS"]), int(environ["COMP_CWORD"]))
    environ["COMP_WORDS"], environ["COMP_CWORD"] = "\n".join(words), str(place)
    return words[1:], before


def answer(app: typer.Typer, before: str) -> int:
    """Print what the command line offers, without what bash leaves in place; return the exit code."""
    heard, code = io.StringIO(), 0
    with redirect_stdout(heard):
        try:
            app(prog_name="imgpipe")
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 0
    sys.stdout.writelines(f"{line.removeprefix(before)}\n" for line in heard.getvalue().splitlines())
    sys.stdout.flush()
    return code


def whole_words(words: list[str], current: int) -> tuple[list[str], int, str]:
    """Return the words that bash took apart, the place of the current one, and what stands in it before its last part.

    bash gives 'demo@2026' as three words, of which it lets only '@2026' be replaced.
    """
    whole: list[str] = []
    place, before, joined = len(words), "", False
    for number, word in enumerate(words):
        is_break = bool(word) and set(word) <= _BREAKS
        if whole and (joined or is_break):
            start, whole[-1] = whole[-1], whole[-1] + word
        else:
            start = ""
            whole.append(word)
        if number == current:
            place = len(whole) - 1
            before = whole[-1] if is_break else start
        joined = is_break
        if number >= current:
            break
    # An '@' begins the part that bash completes, as that of a host's name.
    return whole, place, before.removesuffix("@")
