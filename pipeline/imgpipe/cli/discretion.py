"""What a run may leave of itself when it fails: a traceback without secrets, and no core file."""

from __future__ import annotations

import os
import resource
import sys
import threading
import traceback
from types import TracebackType

from imgpipe.disclosure import printable, without_bare_logins


def begin() -> None:
    """Keep secrets out of tracebacks and of core files, and everybody's hands off what is written; of programs too."""
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, most))
    sys.excepthook = _show
    threading.excepthook = lambda thrown: _show(thrown.exc_type, thrown.exc_value, thrown.exc_traceback)
    # What is kept is nobody's to change, however carelessly the caller's umask is set.
    os.umask(os.umask(0o077) | 0o002)


def _show(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    text = "".join(traceback.format_exception(kind, error, trace))
    sys.stderr.write(printable(without_bare_logins(text), sys.maxsize))
