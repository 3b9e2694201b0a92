"""Commands of imgpipe that its messages print: each can be typed as it stands."""

import ast
import re
import shlex
from pathlib import Path

import pytest
import typer

from imgpipe.cli.commands import COMMANDS as COMMANDS_THERE
from parsed_commands import parsed, whole_program

ROOT = Path(__file__).parents[3]
# A quote ends a command, unless it is one that shlex.quote wrote.
COMMAND = re.compile(r"'((?:sudo )?(?:\./)?imgpipe (?:[^'\x00]|\x00[^\x00]*\x00)+)'")
# What stands for something else is not to be typed; a message has the real thing, or no command.
PLACEHOLDER = re.compile(r"\b[A-Z]{3,}\b")


def texts(tree):
    """Yield every text of a module that is no docstring, with values filled in as they may be."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield node.lineno, "".join(map(filled, node.values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings | inside:
            yield node.lineno, node.value


def filled(part):
    if isinstance(part, ast.Constant):
        return part.value
    value = part.value
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "quote":
        return "\x00a b\x00"
    return "x1"


def printed():
    for path in sorted((*(ROOT / "pipeline").rglob("*.py"), *(ROOT / "plugins").rglob("*.py"))):
        # What runs in a guest prints for the guest's console, where there is no imgpipe.
        for line, text in texts(ast.parse(path.read_text())) if "installer" not in path.parts else ():
            begins = re.match(r"(?:sudo )?imgpipe ([a-z]+)", text)
            whole = [text] if begins and begins[1] in COMMANDS_THERE else []
            for found in (*COMMAND.findall(text), *whole):
                yield f"{path.relative_to(ROOT)}:{line}", found.replace("\x00a b\x00", "'a b'").replace("\x00", "")


@pytest.fixture(scope="module")
def program():
    return whole_program()


COMMANDS = sorted({command: place for place, command in printed()}.items())


@pytest.mark.parametrize(("command", "place"), COMMANDS, ids=[place for _, place in COMMANDS])
def test_a_printed_command_can_be_typed_as_it_stands(command, place, program):
    assert not PLACEHOLDER.search(command.replace("'a b'", "")), command
    words = shlex.split(command)
    try:
        parsed(program, words[words.index("imgpipe") + 1 :])
    except typer.Exit:
        assert words[-1] in {"--version", "--help"}


def test_there_are_commands_to_try():
    assert len(COMMANDS) > 40
