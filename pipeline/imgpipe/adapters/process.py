"""Programs of the host: the only module that starts one.

A command is a list, never a shell's line. What a program prints is kept for the error, stdin is empty
unless given, and the locale is fixed so that output can be parsed.
"""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from imgpipe.disclosure import without_secrets
from imgpipe.environment import of_children, program_path
from imgpipe.errors import HostError

_log = logging.getLogger(__name__)

Argument = str | os.PathLike[str]


def run(
    *argv: Argument,
    timeout_s: float = 600,
    stdin: str = "",
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> str:
    """Run a program to its end and return what it printed on stdout.

    Raises HostError if it is not installed, fails, or takes longer than `timeout_s`; the error's details are
    the last lines of its stderr.
    """
    words = [os.fspath(word) for word in argv]
    _log.debug("run: %s", without_secrets(shlex.join(words)))
    try:
        done = subprocess.run(  # noqa: PLW1510 (the code is looked at below, for a better message)
            words,
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            env=of_children(env),
            cwd=cwd,
        )
    except FileNotFoundError:
        raise _not_installed(words[0]) from None
    except subprocess.TimeoutExpired:
        raise _too_slow(words[0], timeout_s) from None
    if done.returncode != 0:
        raise _failed(words, done.returncode, done.stderr or done.stdout)
    return done.stdout


def follow(*argv: Argument, heard: Callable[[str], None], timeout_s: float = 600) -> None:
    """Run a program to its end and hand on what it prints on stdout, piece by piece, as it comes.

    Raises what `run` raises. An exception of `heard`, or Ctrl-C, ends the program before it goes on.
    """
    words = [os.fspath(word) for word in argv]
    _log.debug("run: %s", without_secrets(shlex.join(words)))
    with tempfile.TemporaryFile() as errors:
        try:
            child = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, env=of_children(), bufsize=0
            )
        except FileNotFoundError:
            raise _not_installed(words[0]) from None
        late = threading.Event()

        def end_late() -> None:
            late.set()
            child.kill()

        timer = threading.Timer(timeout_s, end_late)
        timer.start()
        with child:
            try:
                while child.stdout and (piece := child.stdout.read(4096)):
                    heard(piece.decode(errors="replace"))
                child.wait()
            finally:
                timer.cancel()
                child.kill()
        if late.is_set():
            raise _too_slow(words[0], timeout_s)
        if child.returncode != 0:
            errors.seek(0)
            raise _failed(words, child.returncode, errors.read().decode(errors="replace"))


def told_by(*argv: Argument, limit: int, timeout_s: float) -> str:
    """Return what a program prints, stderr included, whatever its exit code; its first `limit` bytes at most.

    It is ended with all that it started when it has printed more, or after `timeout_s`. Raises HostError if it is not
    installed or too slow.
    """
    words = [os.fspath(word) for word in argv]
    _log.debug("run: %s", without_secrets(shlex.join(words)))
    try:
        child = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=of_children(),
            start_new_session=True,
        )
    except FileNotFoundError:
        raise _not_installed(words[0]) from None
    late = threading.Event()

    def end_late() -> None:
        late.set()
        _end_all(child)

    timer = threading.Timer(timeout_s, end_late)
    timer.start()
    with child:
        try:
            printed = child.stdout.read(limit) if child.stdout else b""
        finally:
            timer.cancel()
            _end_all(child)
    if late.is_set():
        raise _too_slow(words[0], timeout_s)
    return printed.decode(errors="replace")


def _end_all(child: subprocess.Popen[bytes]) -> None:
    """Kill a program that leads a session, and what it started in it."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)


def is_installed(program: str) -> bool:
    """Say whether `program` can be started by its name."""
    return which(program) is not None


def which(program: str) -> str | None:
    """Return the path of what is started by the name `program`; None where it is not installed."""
    return shutil.which(program, path=program_path())


def _not_installed(program: str) -> HostError:
    return HostError(f"The program '{program}' is not installed.", hint="Run 'imgpipe host setup', or install it.")


def _too_slow(program: str, timeout_s: float) -> HostError:
    return HostError(f"The program '{program}' did not end within {timeout_s:.0f} seconds.")


def _failed(words: list[str], code: int, printed: str) -> HostError:
    return HostError(
        f"The program '{words[0]}' failed with exit code {code}.",
        details=(f"command: {shlex.join(words)}", *_tail(printed)),
    )


def _tail(text: str, lines: int = 20) -> list[str]:
    return text.strip().splitlines()[-lines:]
