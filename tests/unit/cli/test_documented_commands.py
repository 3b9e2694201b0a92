"""Commands in the README and the pages: each can be typed, with one's own names in place of the capitals."""

import re
import shlex
from pathlib import Path

import pytest
import typer

from parsed_commands import parsed, whole_program

ROOT = Path(__file__).parents[3]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
SHELLS = frozenset({"", "sh", "console", "bash"})
COMMAND = re.compile(r"^(?:\$ )?((?:sudo )?(?:\./)?imgpipe \S.*)$")
INLINE = re.compile(r"`(?:\$ )?((?:sudo )?(?:\./)?imgpipe [^`]+)`")
# Several commands in one, or what the launcher's tree and consoles say behind its name.
NO_COMMAND = re.compile(r",| or |\.\.\.|\||imgpipe (?: |-|\S+:)")


def blocks(text):
    """Yield the lines of fenced blocks of commands and of indented ones; a backslash goes on in the next line."""
    text = text.replace("\\\n", " ")
    for language, block in FENCED.findall(text):
        yield from block.splitlines() if language in SHELLS else ()
    yield from (line.strip() for line in FENCED.sub("", text).splitlines() if line.startswith("    "))


def documented():
    """Yield a page's name, a command in it, and whether it stands in a block and so is whole."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for line in blocks(text):
            if (found := COMMAND.match(line)) and not NO_COMMAND.match(line):
                yield page.name, found[1], True
        for words in INLINE.findall(FENCED.sub("", text).replace("\n", " ")):
            if not NO_COMMAND.search(words):
                yield page.name, words, False


FOUND = sorted(set(documented()))


@pytest.fixture(scope="module")
def program():
    return whole_program()


@pytest.mark.parametrize(
    ("page", "line", "whole"),
    FOUND,
    ids=[f"{page}: {line[:60]}{'' if whole else ' (named)'}" for page, line, whole in FOUND],
)
def test_a_documented_command_can_be_typed(page, line, whole, program):
    words = shlex.split(line, comments=True)
    for end in (">", "|", "&&", ";"):
        words = words[: words.index(end)] if end in words else words
    start = next(place for place, word in enumerate(words) if word.endswith("imgpipe"))
    # The launcher's own word is the host's command.
    asked = ["host", *words[start + 1 :]] if words[start + 1] == "setup" else words[start + 1 :]
    try:
        parsed(program, asked)
    except typer.Exit:
        assert asked[-1] in {"--version", "--help"}
    except Exception as error:
        # What a sentence names need not be whole.
        if whole or type(error).__name__ not in {"MissingParameter", "BadOptionUsage"}:
            raise


def test_there_are_commands_to_try():
    assert len([whole for _, _, whole in FOUND if whole]) > 40
    assert {page for page, _, _ in FOUND} >= {"README.md", "fleets.md", "host.md", "recipes.md", "import-and-clone.md"}
