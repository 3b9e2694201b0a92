"""How a run ends that does not end well: a sentence on stderr, an object for programs, and an exit code."""

from __future__ import annotations

import difflib
import errno
import logging
import os
import re
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from json import dumps
from pathlib import Path
from shlex import quote
from typing import Any

import typer
from typer.exceptions import TyperException

from imgpipe.cli import output
from imgpipe.cli.streams import OutputLost
from imgpipe.cli.virt_words import meant_commands, meant_option
from imgpipe.disclosure import one_line, printable, without_bare_logins, without_secrets
from imgpipe.errors import HostError, ImgpipeError, RecipeError

STOPPED = 130
"""The exit code of a run that its user stopped: 128 and the number of SIGINT, as shells have it."""
READER_LEFT = 141
"""The exit code where nobody reads stdout any more: 128 and the number of SIGPIPE."""
BUG = 70
"""The exit code for what nobody foresaw (EX_SOFTWARE of sysexits.h)."""

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_TOO_MANY = re.compile(r"Got unexpected extra arguments?(?:\(s\))? \((.*)\)", re.DOTALL)
_TOO_MANY_WORDS = "There is a word too many"
_NO_COMMAND = re.compile(r"No such command '(.*?)'\.(?: Did you mean .*)?", re.DOTALL)
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_LONGEST_MESSAGE = 2000
_VIRSH = re.compile(r"(?<=')virsh (?!-c |--connect |-q )")
# Those that ask libvirt; the others are about files of this host.
_OURS = re.compile(r"(?<=')imgpipe (?=(?:machines|deploy|clone|flatten|doctor|import|build)\b)")
_NEAR = 0.65
"""How alike two options are (1 the same) before one is taken for a slip of the other: '--mac' is none of '--cache'."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What a person or a program is told; `kind` is whose fault it is, `usage` how the command is written."""

    code: int
    kind: str
    message: str
    hint: str = ""
    details: tuple[str, ...] = ()
    usage: str = ""


def ending_of(error: BaseException) -> Ending:
    """Return how a run ends that `error` ended."""
    if isinstance(error, KeyboardInterrupt):
        return Ending(
            code=STOPPED,
            kind="stopped",
            message="Stopped; what was running is gone. The next run goes on where this one was.",
        )
    if isinstance(error, typer.Abort):
        return Ending(code=STOPPED, kind="stopped", message="Stopped: the question was not answered with yes.")
    if isinstance(error, TyperException):
        return _of_usage(error)
    told = _told(error)
    if told is None:
        return _of_bug(error)
    kind = type(told).__name__.removesuffix("Error").lower()
    return Ending(code=told.exit_code, kind=kind, message=str(told), hint=told.hint, details=told.details)


def at_connection(ending: Ending, told: str | None, settled: str | None) -> Ending:
    """Return it with commands that go to the same libvirt: typed as they were, they would go to this host's own.

    `told` is the connection of the command line, `settled` that of imgpipe.toml, which virsh does not read.
    """

    def completed(text: str) -> str:
        if uri := told or settled:
            text = _VIRSH.sub(lambda _: f"virsh -c {quote(uri)} ", text)
        return _OURS.sub(lambda _: f"imgpipe --connect {quote(told)} ", text) if told else text

    return replace(
        ending,
        message=completed(ending.message),
        hint=completed(ending.hint),
        details=tuple(map(completed, ending.details)),
    )


def show(ending: Ending, *, as_json: bool) -> None:
    """Say how it ended, without control characters and secrets.

    With `as_json` it is also a line of JSON on stdout, unless the command's own document stands there already.
    """
    lines = [f"error: {one_line(ending.message, _LONGEST_MESSAGE)}"]
    for detail in ending.details:
        lines += (f"  {printable(without_secrets(line))}" for line in detail.splitlines() or [""])
    if ending.usage:
        lines = [*printable(ending.usage).splitlines(), *lines]
    if ending.hint:
        lines += ["", f"hint: {one_line(ending.hint, _LONGEST_MESSAGE)}"]
    sys.stderr.writelines(f"{line}\n" for line in lines)
    if as_json and not output.has_shown_a_document():
        sys.stdout.write(dumps(_for_programs(ending)) + "\n")


def show_traceback(error: BaseException) -> None:
    """Print where an error was raised, for '--debug'."""
    text = "".join(traceback.format_exception(error))
    sys.stderr.write(printable(without_bare_logins(text), sys.maxsize))


def keep_logs_plain(*, debug: bool) -> None:
    """Let warnings of libraries and plugins be one line each; with `debug` everything, with tracebacks."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Debugging("%(name)s: %(message)s") if debug else _Plain())
    logging.basicConfig(level=logging.DEBUG if debug else logging.WARNING, handlers=[handler], force=True)


def wants_json(words: Sequence[str]) -> bool:
    """Say whether a command line asks for JSON, also one that is wrong in other parts."""
    words = list(words)
    return "--json" in (words[: words.index("--")] if "--" in words else words)


class _Plain(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """Return one line, without a traceback."""
        return f"{record.levelname.lower()}: {one_line(without_bare_logins(record.getMessage()))}"


class _Debugging(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """Return all, without control characters and secrets; other libraries log here too."""
        return printable(without_bare_logins(super().format(record)), sys.maxsize)


def _for_programs(ending: Ending) -> dict[str, object]:
    return {
        "event": "error",
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "kind": ending.kind,
        "message": one_line(ending.message, _LONGEST_MESSAGE),
        "hint": one_line(ending.hint, _LONGEST_MESSAGE),
        "details": [printable(without_secrets(detail)) for detail in ending.details],
        "exit_code": ending.code,
    }


def _told(error: BaseException) -> ImgpipeError | None:
    """Return the error as the one who must act is told it; None where nobody foresaw it."""
    if isinstance(error, ImgpipeError):
        return error
    if isinstance(error, OutputLost):
        return HostError(
            f"What the command prints cannot be written to stdout: {error}.",
            hint="stdout is closed, or on a disk without room.",
        )
    if isinstance(error, MemoryError):
        return HostError("The memory of this host, or of this process, is used up.")
    if isinstance(error, OSError) and error.errno is not None:
        return _of_system(error)
    return None


def _of_system(error: OSError) -> ImgpipeError:
    """Return what the system refused as a sentence; a name that is too long was somebody's word."""
    why = error.strerror or os.strerror(error.errno or 0)
    subject = f"'{os.fsdecode(error.filename)}' cannot be used" if error.filename else "The host refused something"
    if error.errno == errno.ENAMETOOLONG:
        return RecipeError(f"{subject}: the name is too long.", hint="Shorten it.")
    hint = ""
    if error.errno in _NO_ROOM:
        hint = "Make room there, or use another data root: IMGPIPE_HOME."
    elif error.errno in _FORBIDDEN:
        hint = "Is it yours, and on a disk that can be written? IMGPIPE_HOME names another data root."
    return HostError(f"{subject}: {why}.", hint=hint)


def _of_usage(error: TyperException) -> Ending:
    """Return what is wrong with the words of a command line; without any words its help is the answer."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "imgpipe"
    if type(error).__name__ == "NoArgsIsHelpError":
        return Ending(code=error.exit_code, kind="usage", message="A command is missing.", usage=error.format_message())
    message = _in_words(error) or _in_ours(error.format_message().strip())
    hint = f"'{command} --help' says what it takes."
    if message.startswith(_TOO_MANY_WORDS) and getattr(context, "info_name", "") == "deploy":
        hint = f"{_of_a_word_too_many(message, context)}{hint}"
    if unknown := getattr(error, "option_name", "") if hasattr(error, "possibilities") else "":
        message = f"There is no option '{unknown}'."
        hint = f"{_likely(unknown, error)}{hint}"
    elif context and (found := _NO_COMMAND.fullmatch(message)):
        message = f"There is no command '{found[1]}'."
        hint = f"{_likely_command(found[1], context)}{hint}"
    elif context and message.startswith("Missing "):
        hint = f"{_example(context.command)}{hint}"
    return Ending(
        code=error.exit_code,
        kind="usage",
        message=message if message.endswith((".", "?", "!")) else f"{message}.",
        hint=hint,
        usage=context.get_usage() if context else "",
    )


def _in_words(error: TyperException) -> str:
    """Return what is wrong with an option's value; empty where that did not come from pydantic."""
    told = getattr(error.__cause__, "errors", None)
    if told is None:
        return ""
    from imgpipe.model_faults import sentence

    first = told(include_input=False, include_url=False)[0]
    names = getattr(getattr(error, "param", None), "opts", None) or ["the value"]
    return f"'{max(names, key=len)}' {sentence(first['type'], first.get('ctx', {}), first['msg'])}"


def _in_ours(message: str) -> str:
    """Return click's sentence as one that says what is wrong with a command line."""
    if found := _TOO_MANY.fullmatch(message):
        words = found[1].split()
        return f"{_TOO_MANY_WORDS if len(words) == 1 else 'There are words too many'}: '{found[1]}'."
    return message


def _likely(unknown: str, error: TyperException) -> str:
    """Return what an option that is not known was most likely meant to be."""
    context = getattr(error, "ctx", None)
    known = [word for option in getattr(getattr(context, "command", None), "params", ()) for word in option.opts]
    if meant := meant_option(unknown, getattr(context, "info_name", "") or "", known):
        return meant
    near = difflib.get_close_matches(unknown, getattr(error, "possibilities", None) or (), n=1, cutoff=_NEAR)
    return f"Did you mean '{near[0]}'? " if near else ""


def _likely_command(unknown: str, context: Any) -> str:  # noqa: ANN401 (typer has its own copy of click)
    root = context.find_root()
    if meant := meant_commands(unknown, root.info_name or "imgpipe", root.command):
        return meant
    near = difflib.get_close_matches(unknown, getattr(context.command, "commands", {}), n=1)
    return f"Did you mean '{context.command_path} {near[0]}'? " if near else ""


def _of_a_word_too_many(message: str, context: Any) -> str:  # noqa: ANN401
    """Return what a word behind a template was most likely meant to be: seconds to wait for, or a name."""
    if context.params.get("wait") and (found := re.search(r"'([1-9][0-9]*)'", message)):
        return f"How long is waited is '--wait --wait-seconds {found[1]}'. "
    return "" if context.params.get("name") else "The machines' name is an option: '--name NAME'. "


def _example(command: Any) -> str:  # noqa: ANN401
    """Return the first example of a command's help, which stands there in paragraphs of its own."""
    lines = f"{command.help or ''}\n{command.epilog or ''}".replace("Example: ", "").splitlines()
    found = next((line.strip() for line in lines if line.strip().startswith("imgpipe ")), "")
    return f"Such as '{found.partition(';')[0]}'. " if found else ""


def _of_bug(error: BaseException) -> Ending:
    """Return what is said of a bug: its kind and place, and not its text, in which anything may stand."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""
    return Ending(
        code=BUG,
        kind="bug",
        message=f"This is a bug of imgpipe or of one of its plugins: {type(error).__name__}{place}.",
        hint="Report it with what the same command prints with '--debug' behind 'imgpipe', and with "
        "'imgpipe --version'; look through it for secrets first.",
    )
