"""The command line's entrance: where errors become messages and exit codes."""

from __future__ import annotations

import gc
import os
import signal
import sys
from types import FrameType
from typing import Annotated, Any, NoReturn

# Loading modules makes a hundred thousand objects that stay; looking for garbage among them is a tenth of a short run.
gc.set_threshold(50_000)

import typer  # noqa: E402

from imgpipe.cli import commands, context, discretion  # noqa: E402
from imgpipe.errors import ImgpipeError  # noqa: E402

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
    if debug:
        discretion.show_log()


def main() -> None:
    """Run the command line; turn an expected error into a message and an exit code."""
    discretion.begin()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    try:
        completing = _completing()
        commands.add_commands(app, () if completing else sys.argv[1:])
        if not completing:
            context.plugins().add_commands(app)
        app()
    except ImgpipeError as error:
        _show(error)
        if context.choices().debug:
            raise
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("\nStopped; what was running is gone. The next run goes on where this one was.", file=sys.stderr)  # noqa: T201
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output went away ('imgpipe images list | head'); Python must not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)


def _stop(_number: int, _frame: FrameType | None) -> NoReturn:
    """Treat a request to end like Ctrl-C, so that machines are stopped and partial files removed."""
    raise KeyboardInterrupt


def _completing() -> bool:
    return any(name.endswith("_COMPLETE") for name in os.environ)


def _show(error: ImgpipeError) -> None:
    lines: list[Any] = [f"error: {error}", *(f"  {line}" for line in error.details)]
    if error.hint:
        lines += ["", f"hint: {error.hint}"]
    for line in lines:
        print(line, file=sys.stderr)  # noqa: T201
