"""The command line's entrance: where errors become messages and exit codes."""

from __future__ import annotations

import gc
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

# Loading modules makes a hundred thousand objects that stay; looking for garbage among them is a tenth of a short run.
gc.set_threshold(50_000)

import typer  # noqa: E402

from imgpipe.cli import commands, context, discretion, ending, streams  # noqa: E402
from imgpipe.errors import HostError, ImgpipeError, RecipeError  # noqa: E402

app = typer.Typer(
    name="imgpipe",
    help="Turn an installer ISO into a golden image, unattended.",
    epilog="Start with 'imgpipe build demo': it needs no ISO.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # Help in plain text: rich's would double the time of every '--help'.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"imgpipe {version('imgpipe')}")  # noqa: T201
        raise typer.Exit


@app.callback()
def options(
    connect: Annotated[
        str | None,
        typer.Option(
            help="The libvirt connection; else imgpipe.toml, then LIBVIRT_DEFAULT_URI, then virsh's own rule."
        ),
    ] = None,
    debug: Annotated[bool, typer.Option(help="Show tracebacks, and what imgpipe runs.")] = False,
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Turn an installer ISO into a golden image, unattended."""
    context.choose(context.Choices(connect=connect, debug=debug))


def main() -> None:
    """Run the command line; turn every error into a message and an exit code."""
    discretion.begin()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    if _completing():
        _complete()
    words = sys.argv[1:]
    try:
        streams.prepare()
        ending.keep_logs_plain(debug="--debug" in words)
        code = _run(words)
        streams.end()
    except (Exception, KeyboardInterrupt) as error:
        code = _told(error, words)
    # Nothing is left to be written, or to fail, when the interpreter ends.
    with suppress(streams.OutputLost):
        sys.stdout.flush()
    sys.exit(code)


def _run(words: list[str]) -> int:
    """Run the command that `words` are; return its exit code, or raise what ended it."""
    _check_words(words)
    os.environ["PATH"] = _own_path(os.environ.get("PATH", os.defpath))
    if not {"-h", "--help", "--version"} & set(words):
        _check_folder()
    commands.add_commands(app, words)
    _add_plugins_commands(app)
    code = app(prog_name="imgpipe", standalone_mode=False)
    # typer makes a code of Ctrl-C.
    if code == ending.STOPPED:
        raise KeyboardInterrupt
    return code if isinstance(code, int) else 0


def _add_plugins_commands(app: typer.Typer) -> None:
    """Let plugins that were installed beside imgpipe add commands; its own have none, and take long to load."""
    from importlib.metadata import entry_points

    if any(entry.dist is None or entry.dist.name != "imgpipe" for entry in entry_points(group="imgpipe")):
        context.plugins().add_commands(app)


def _told(error: BaseException, words: list[str]) -> int:
    """Say how the run ended, and return its exit code."""
    if isinstance(error, streams.OutputLost) and error.reader_left:
        # The reader of our output went away ('imgpipe images list | head').
        return ending.READER_LEFT
    ended = ending.at_connection(ending.ending_of(error), context.choices().connect, _settled_connection())
    with suppress(streams.OutputLost):
        ending.show(ended, as_json=ending.wants_json(words))
        sys.stdout.flush()
    if "--debug" in words:
        ending.show_traceback(error)
    return ended.code


def _settled_connection() -> str | None:
    """Return the connection of imgpipe.toml; None where that names none, or cannot be read."""
    with suppress(ImgpipeError):
        return context.settings().connect
    return None


def _check_words(words: list[str]) -> None:
    """Refuse words that are no text: they could be neither shown nor written to libvirt's XML."""
    for number, word in enumerate(words, 1):
        if any("\ud800" <= letter <= "\udfff" for letter in word):
            raise RecipeError(f"Word {number} of the command line is no text in UTF-8.", hint="Rename the file.")


def _check_folder() -> None:
    """Refuse to work from a folder that is gone: relative names would mean nothing."""
    try:
        Path.cwd()
    except OSError as error:
        raise HostError(
            f"The current folder cannot be used: {error.strerror}.", hint="Change to another: 'cd'."
        ) from None


def _own_path(path: str) -> str:
    """Return a PATH without relative folders: a program of the current folder is not the host's."""
    return os.pathsep.join(folder for folder in path.split(os.pathsep) if folder.startswith("/"))


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    """Treat a request to end like Ctrl-C, so that machines are stopped and partial files removed.

    A terminal that is lost is told by the kernel and by the shell: the second time must not interrupt the clearing up.
    """
    if number == signal.SIGHUP:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    raise KeyboardInterrupt


def _completing() -> bool:
    # Of this program alone: others ask in the same way, and whoever exports what they ask by means nothing here.
    return "_IMGPIPE_COMPLETE" in os.environ


def _complete() -> NoReturn:
    """Answer the shell, which has no place for errors and warnings, and whose user waits for it."""
    from imgpipe.cli import shell_words

    shell_words.be_silent_and_quick()
    with suppress(Exception):
        words, before = shell_words.asked(os.environ)
        commands.add_commands(app, words)
        _add_plugins_commands(app)
        sys.exit(shell_words.answer(app, before))
    sys.exit(1)
