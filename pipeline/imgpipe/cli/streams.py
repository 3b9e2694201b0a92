"""The process's own streams, as a shell, a service or a script hands them over: closed, full, or read by nobody."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Any, TextIO


class OutputLost(Exception):
    """What a command prints on stdout cannot be written; no OSError, so that nobody takes it for a file's."""

    def __init__(self, error: OSError) -> None:
        super().__init__(error.strerror)
        self.reader_left = error.errno == errno.EPIPE


class _Output(io.RawIOBase):
    """A descriptor to write to. After its first failure what is written goes nowhere, so that a run can end."""

    def __init__(self, descriptor: int, *, quiet: bool) -> None:
        super().__init__()
        self.lost: OutputLost | None = None
        self._descriptor = descriptor
        self._quiet = quiet

    def fileno(self) -> int:
        """Return the descriptor, for programs that get the same one."""
        return self._descriptor

    def isatty(self) -> bool:
        """Say whether a person watches."""
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        """Say that this is for writing."""
        return True

    def write(self, data: Any, /) -> int:  # noqa: ANN401 (whatever has the buffer protocol)
        """Write; raises OutputLost once, or never where it is `quiet`."""
        if self.lost is None:
            try:
                return os.write(self._descriptor, data)
            except OSError as error:
                self.lost = OutputLost(error)
                if not self._quiet:
                    raise self.lost from None
        return len(memoryview(data))


_stdout: list[_Output] = []


def prepare() -> None:
    """Make stdin, stdout and stderr usable, whatever the process was started with.

    A closed one is opened on /dev/null: else the next file that is opened would get its number, and programs would
    write into it. What stdout loses is an error at the end; what stderr loses costs the messages only.
    """
    # Opened for reading, stdout fails at the first write, as a closed one shall.
    for descriptor, mode in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, mode)
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)
            os.set_inheritable(descriptor, True)
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 (a descriptor, open as long as the process)
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        output = _Output(descriptor, quiet=descriptor == 2)
        if descriptor == 1:
            _stdout[:] = [output]
        setattr(sys, name, _text(output, getattr(sys, name)))


def end() -> None:
    """Write what is left to stdout; raises OutputLost if it, or anything before, could not be written."""
    sys.stdout.flush()
    if _stdout and _stdout[0].lost:
        raise _stdout[0].lost


def _text(output: _Output, before: TextIO | None) -> TextIO:
    encoding = before.encoding if before else "utf-8"
    live = output.isatty() or output.fileno() == 2
    # What an encoding has no letters for is escaped: a name with a foreign letter is no reason to fail.
    return io.TextIOWrapper(
        io.BufferedWriter(output), encoding=encoding, errors="backslashreplace", line_buffering=live
    )
