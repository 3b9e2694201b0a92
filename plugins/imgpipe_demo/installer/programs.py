"""Programs of the installer's system and of the target."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

SYSROOT = Path("/mnt/sysimage")


class CommandError(Exception):
    """A program failed; the text says which, and what it printed last."""


def run(*argv: str | os.PathLike[str], stdin: str = "", env: Mapping[str, str] | None = None) -> str:
    """Run a program to its end and return what it printed on stdout."""
    words = [os.fspath(word) for word in argv]
    done = subprocess.run(
        words,
        input=stdin,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        env={**os.environ, **(env or {})},
    )
    if done.returncode != 0:
        raise CommandError(f"{' '.join(words)} failed with code {done.returncode}: {done.stderr.strip()[-800:]}")
    return done.stdout


def run_in_target(*argv: str, stdin: str = "") -> str:
    """Run a program of the target's own, inside it."""
    return run("chroot", SYSROOT, *argv, stdin=stdin)
