"""Programs of the host: the only module that starts one.

A command is a list, never a shell's line. What a program prints is kept for the error, stdin is empty
unless given, and the locale is fixed so that output can be parsed.
"""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

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
    _log.debug("run: %s", shlex.join(words))
    try:
        done = subprocess.run(  # noqa: PLW1510 (the code is looked at below, for a better message)
            words,
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            env={**os.environ, "LC_ALL": "C.UTF-8", **(env or {})},
            cwd=cwd,
        )
    except FileNotFoundError:
        raise HostError(
            f"The program '{words[0]}' is not installed.", hint="Run './imgpipe setup' in a checkout, or install it."
        ) from None
    except subprocess.TimeoutExpired:
        raise HostError(f"The program '{words[0]}' did not end within {timeout_s:.0f} seconds.") from None
    if done.returncode != 0:
        raise HostError(
            f"The program '{words[0]}' failed with exit code {done.returncode}.",
            details=(f"command: {shlex.join(words)}", *_tail(done.stderr or done.stdout)),
        )
    return done.stdout


def is_installed(program: str) -> bool:
    """Say whether `program` is on PATH."""
    return shutil.which(program) is not None


def _tail(text: str, lines: int = 20) -> list[str]:
    return text.strip().splitlines()[-lines:]
