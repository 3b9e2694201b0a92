"""What a run may leave of itself when it fails or is watched: log lines and tracebacks without secrets, no core."""

from __future__ import annotations

import logging
import resource
import sys
import traceback
from types import TracebackType

from imgpipe.disclosure import without_bare_logins


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and the traceback that belongs to it; other libraries log here too."""
        return without_bare_logins(super().format(record))


def begin() -> None:
    """Keep secrets out of tracebacks and of core files, also those of the programs that are started."""
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, most))
    sys.excepthook = _show


def show_log() -> None:
    """Let everything that is logged, also by libraries, appear on stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Formatter("%(name)s: %(message)s"))
    logging.basicConfig(level=logging.DEBUG, handlers=[handler])


def _show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    sys.stderr.write(without_bare_logins("".join(traceback.format_exception(kind, error, trace))))
