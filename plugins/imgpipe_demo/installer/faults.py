"""Misbehaviour on request (kernel argument `standin.fault`), in the form Anaconda gives it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

from .console import Console
from .ending import leave, wait_for_ever
from .errors import InstallError
from .programs import SYSROOT

_BUSY_S = 60
_RULE = "=" * 80


class Faults:
    """The faults asked for: each method is called where the fault would come up."""

    def __init__(self, asked: frozenset[str], console: Console) -> None:
        self._asked = asked
        self._console = console

    def at_start(self) -> None:
        """Panic, die, or ask, before anything is touched."""
        if "panic" in self._asked:
            self._panic()
        if "pane-dead" in self._asked:
            # The first process says the rest, as for any end of the installer that is not the power switch.
            sys.exit("anaconda: error: the installer died (asked for by standin.fault)")
        if "question" in self._asked:
            self._ask()

    def in_storage(self) -> None:
        """Fail as a disk that is too small does."""
        if "storage" in self._asked:
            raise InstallError(
                "Storage configuration has failed:\n"
                "Not enough space in file systems for the current software selection. "
                "An additional 1024 MiB is needed."
            )

    def while_installing(self, done: float) -> None:
        """Power off, fall silent, fail or dawdle half-way through the packages."""
        if done < 0.5:
            return
        if "poweroff" in self._asked:
            leave("poweroff")
        if "silent" in self._asked:
            # The unpacking goes on beside the installer: silent means that the disk is idle as well.
            subprocess.run(["busybox", "killall", "-STOP", "tar"], check=False)
            wait_for_ever()
        if "package" in self._asked:
            raise InstallError(
                "The following error occurred while installing.  This is a fatal error and installation "
                "will be aborted.\n\nError unpacking package: cpio: read failed (asked for by standin.fault)"
            )
        if "slow" in self._asked:
            self._asked -= {"slow"}
            self._write_for_a_while()

    def in_scripts(self) -> None:
        """Fail as a script with --erroronfail does."""
        if "script" in self._asked:
            raise InstallError(
                "There was an error running the kickstart script at line 1.  This is a fatal error and "
                "installation will be aborted.  The details of this error are:\n\n"
                "false: exit code 1 (asked for by standin.fault)"
            )

    def _panic(self) -> NoReturn:
        Path("/proc/sys/kernel/sysrq").write_text("1")
        Path("/proc/sysrq-trigger").write_text("c")
        wait_for_ever()

    def _ask(self) -> None:
        self._console.say(
            f"{_RULE}\n{_RULE}\nQuestion\n\nWould you like to ignore this and continue with installation?\n\n"
            "1) Yes\n2) No\n"
        )
        self._console.ask("Please make a selection from the above: ")

    def _write_for_a_while(self) -> None:
        path = SYSROOT / "standin.busy"
        end = time.monotonic() + _BUSY_S
        while time.monotonic() < end:
            with path.open("wb") as file:
                file.write(os.urandom(2**20))
                os.fsync(file.fileno())
            time.sleep(0.5)
        path.unlink()
