"""What a run may leave of itself when it fails: a traceback without secrets, and no core file."""

from __future__ import annotations

import resource
import sys
import traceback
from types import TracebackType

from imgpipe.disclosure import without_bare_logins


def begin() -> None:
    """Keep secrets out of tracebacks and of core files, also those of the programs that are started."""
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, most))
    sys.excepthook = _show


def _show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    sys.stderr.write(without_bare_logins("".join(traceback.format_exception(kind, error, trace))))
