"""Home folders: what '~' means, for users who have one."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from imgpipe.errors import HostError


def in_home(path: str | os.PathLike[str]) -> Path:
    """Return a path with its '~' or '~user' filled in; raises HostError where there is no such home folder."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise HostError(
            f"There is no home folder that '{path}' could be in.", hint="Set HOME, or write the path from '/' on."
        ) from None


def login_name() -> str:
    """Return what the caller's user is called; a user without an entry in the password database is its number."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
