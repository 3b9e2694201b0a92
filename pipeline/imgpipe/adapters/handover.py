"""Handing the terminal to another program, which takes this process's place."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from imgpipe.environment import drop_secrets
from imgpipe.errors import HostError


def hand_over(*argv: str) -> NoReturn:
    """Become another program; what is open here ends. Raises HostError where it is not installed."""
    sys.stdout.flush()
    sys.stderr.flush()
    drop_secrets()
    try:
        os.execvp(argv[0], argv)  # noqa: S606 (a list, no shell)
    except OSError as error:
        raise HostError(f"The program '{argv[0]}' cannot be run: {error.strerror}.", hint="Install it.") from None
