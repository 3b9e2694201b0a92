"""Words that no person means, for every option and argument of every command: a sentence, never a traceback."""

import json
import os
import subprocess
import sys

import pytest
import typer.main

from imgpipe.cli import commands
from imgpipe.cli.main import app

pytestmark = pytest.mark.programs

ODD = {
    "a number of 5000 digits": "9" * 5000,
    "a negative number of 5000 digits": "-" + "9" * 5000,
    "a name of 10,000 characters": "n" * 10_000,
    "a path of 10,000 characters": "/" + "n/" * 5000,
    "a line break": "na\nme",
    "another line break": "na\u2028me",
    "control characters": "na\x1b[31mme\x07",
    "blanks": " ",
    "nothing": "",
}

GIVEN = {"recipe": "rocky9", "source": "web1", "new": "web2", "file": "nowhere", "--os": "rocky9", "name": "web1"}
"""What stands in the other places, where a command must have something."""

PLANNED = {"deploy": ("rocky9", "--plan"), "clone": ("--plan",), "import": ("--disk", "nowhere")}
"""What makes a command look at its words, and do nothing."""

# These change the host, or hand their words on to a program as they are.
_LEFT_OUT = ("host network apply", "host nic-names apply", "machines ssh")

# Preloads the command line, and runs each line of words in a child of its own.
RUNNER = """
import json, os, signal, sys, tempfile
import imgpipe.cli.main as cli
cli.context.plugins()
for words in json.load(sys.stdin):
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if not child:
            for file, number in ((out, 1), (err, 2)):
                os.dup2(file.fileno(), number)
            os.close(0)
            os.open(os.devnull, os.O_RDONLY)
            sys.argv = ["imgpipe", *words]
            signal.alarm(300)
            cli.main()
        _, status = os.waitpid(child, 0)
        out.seek(0)
        err.seek(0)
        told = {"words": words, "code": os.waitstatus_to_exitcode(status)}
        told |= {"out": out.read().decode(errors="replace"), "err": err.read().decode(errors="replace")}
        print(json.dumps(told), flush=True)
"""


def walk(command, words=()):
    """Yield every command: its words, and what takes a value."""
    inner = getattr(command, "commands", None)
    if not inner:
        yield " ".join(words), [one for one in command.params if not getattr(one, "is_flag", False)]
        return
    for name, one in sorted(inner.items()):
        yield from walk(one, (*words, name))


commands.add_commands(app, ())
COMMANDS = {name: takes for name, takes in walk(typer.main.get_command(app)) if takes and name not in _LEFT_OUT}


def lines(name):
    """Yield lines of words for a command, with two odd words in each place; all the places together meet all words."""
    takes, odd = COMMANDS[name], list(ODD.values())
    for number, place in enumerate(takes, len(name)):
        for word in (odd[number % len(odd)], odd[(number + 4) % len(odd)]):
            words = []
            for one in takes:
                option = one.opts[0]
                value = word if one is place else GIVEN.get(option, "x") if one.required else None
                if value is not None:
                    # An argument that begins with '-' would be an option.
                    words += [f"{option}={value}"] if option.startswith("--") else ["--", value]
            arguments = [value for value in words if value == "--"]
            options = [value for value in words if value.startswith("--") and value != "--"]
            values = [value for value in words if not value.startswith("--")]
            given = [value for value in PLANNED.get(name, ()) if value not in options]
            extra = given[1:] if given and not given[0].startswith("--") and values else given
            yield ["--connect", "test:///default", *name.split(), *extra, *options, *arguments[:1], *values]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_word_that_no_person_means_is_told_in_a_sentence(name, tmp_path):
    env = {**os.environ, "IMGPIPE_HOME": str(tmp_path), "IMGPIPE_ACCELERATOR": "tcg", "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", RUNNER],
        input=json.dumps(list(lines(name))),
        env=env,
        cwd=tmp_path,
        text=True,
        capture_output=True,
        check=False,
    )
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(told) == len(COMMANDS[name]) * 2, done.stderr
    wrong = [one for one in told if not is_well_told(one)]
    assert not wrong, [([word[:60] for word in one["words"]], one["code"], one["err"][:600]) for one in wrong]


def is_well_told(one):
    if one["code"] == 0:
        return "Traceback" not in one["err"]
    shown = one["err"].replace("\n", "")
    return one["code"] in (2, 3) and "error: " in one["err"] and "Traceback" not in one["err"] and shown.isprintable()
