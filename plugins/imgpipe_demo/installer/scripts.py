"""The kickstart's scripts: %pre, %pre-install, %post, %onerror, %traceback."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from pykickstart.constants import (
    KS_SCRIPT_ONERROR,
    KS_SCRIPT_POST,
    KS_SCRIPT_PRE,
    KS_SCRIPT_PREINSTALL,
    KS_SCRIPT_TRACEBACK,
)

from .answers import Kickstart
from .console import Console
from .errors import InstallError
from .programs import SYSROOT

PRE, PRE_INSTALL, POST = KS_SCRIPT_PRE, KS_SCRIPT_PREINSTALL, KS_SCRIPT_POST
ON_ERROR, TRACEBACK = KS_SCRIPT_ONERROR, KS_SCRIPT_TRACEBACK

_NAMES = {PRE: "pre", PRE_INSTALL: "pre-install", POST: "post", ON_ERROR: "onerror", TRACEBACK: "traceback"}


def run_scripts(kickstart: Kickstart, kind: int, console: Console) -> None:
    """Run every script of a kind, in the order of the kickstart.

    Raises InstallError for one that fails and says that this is an error.
    """
    for script in _scripts(kickstart, kind):
        console.log(f"running %{_NAMES[kind]} of line {script.lineno}")
        inside = kind == POST and script.inChroot
        code, output = _run(script, SYSROOT if inside else Path("/"))
        if code == 0:
            continue
        console.log(f"Error code {code} running the kickstart script at line {script.lineno}", level="ERR")
        if script.errorOnFail:
            tail = "\n".join(output.splitlines()[-20:])
            raise InstallError(
                f"There was an error running the kickstart script at line {script.lineno}.  "
                "This is a fatal error and installation will be aborted.  "
                f"The details of this error are:\n\n{tail}"
            )


def _scripts(kickstart: Kickstart, kind: int) -> Iterator[Kickstart]:
    return (script for script in kickstart.scripts if script.type == kind)


def _run(script: Kickstart, root: Path) -> tuple[int, str]:
    """Run one script below `root`; return its exit code and what it printed, which its log keeps."""
    path = root / "tmp" / f"ks-script-{os.urandom(4).hex()}"
    path.write_text(script.script)
    path.chmod(0o700)
    own = f"/tmp/{path.name}"  # noqa: S108 (Anaconda's place; the machine has no other users)
    log = root / script.logfile.lstrip("/") if script.logfile else Path(f"{own}.log")
    log.parent.mkdir(parents=True, exist_ok=True)
    prefix = ["chroot", os.fspath(root)] if root != Path("/") else []
    with log.open("wb") as output:
        done = subprocess.run(
            [*prefix, *script.interp.split(), own],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
            cwd=root,
        )
    path.unlink(missing_ok=True)
    return done.returncode, log.read_text(errors="replace")
