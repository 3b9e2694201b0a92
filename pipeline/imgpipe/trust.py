"""Who can change a file: judged by the owners and modes of itself and of every folder and link on its way."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

_MOST_LINKS = 40
_GROUP_AND_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def trusted_owners() -> frozenset[int]:
    """Return the users whose files are believed: root, the caller, and who owns imgpipe's own code and this system.

    Whoever can write the code that runs needs no file to make it do something. The owner of '/' is not root where a
    user namespace does not map root.
    """
    return frozenset({0, os.geteuid(), Path(__file__).stat().st_uid, Path("/").stat().st_uid})


def changed_by_others(path: Path, *, group: bool = False, entries: bool = False) -> str:
    """Return how somebody else can change what is at `path`, as a clause; empty where nobody else can.

    With `entries` nobody else may put something new into the folder that is there, not even into a sticky one.

    Every folder up to '/' and both sides of each symbolic link are looked at; a missing file has only its folders.
    What a group may write is refused unless `group` allows it. (An access control list that lets others write shows
    in the mode's group bits.) Raises OSError where it cannot be looked at.
    """
    writable = stat.S_IWOTH if group else _GROUP_AND_OTHERS
    owners = trusted_owners()
    waiting = list(reversed(path.absolute().parts[1:]))
    here, links = Path("/"), 0
    while True:
        status = here.lstat()
        if status.st_uid not in owners:
            return f"'{here}' belongs to {user_name(status.st_uid)}"
        if stat.S_ISLNK(status.st_mode):
            links += 1
            if links > _MOST_LINKS:
                return f"'{path}' leads through too many symbolic links"
            target = here.readlink()
            waiting += reversed(target.parts)
            here = Path("/") if target.is_absolute() else here.parent
        elif _writable(status.st_mode, writable, sticky=not entries or bool(waiting)):
            return f"{_who(status.st_mode)} may write to '{here}'"
        if not waiting:
            return ""
        part = waiting.pop()
        here = here.parent if part == ".." else here / part
        if not os.path.lexists(here):
            return ""


def link_of_others(path: Path) -> Path | None:
    """Return the first symbolic link on the way to `path` that somebody else made or can replace; None without one.

    The path itself may be such a link too. Only links and the folders that they are in are looked at: who owns the file
    that is there is not asked. Raises OSError where it cannot be looked at.
    """
    waiting = list(reversed(path.absolute().parts[1:]))
    here, links = Path("/"), 0
    while waiting:
        part = waiting.pop()
        here = here.parent if part == ".." else here / part
        if not here.is_symlink():
            continue
        links += 1
        if links > _MOST_LINKS or here.lstat().st_uid not in trusted_owners() or changed_by_others(here.parent):
            return here
        target = here.readlink()
        waiting += reversed(target.parts[1:] if target.is_absolute() else target.parts)
        here = Path("/") if target.is_absolute() else here.parent
    return None


def user_name(uid: int) -> str:
    """Return "the user 'web'", or the number of one without a name."""
    try:
        return f"the user '{pwd.getpwuid(uid).pw_name}'"
    except KeyError:
        return f"the user {uid}"


def _writable(mode: int, writable: int, *, sticky: bool) -> bool:
    # In a sticky folder, such as /tmp, only its owner and an entry's owner may replace the entry.
    return bool(mode & writable) and not (sticky and stat.S_ISDIR(mode) and mode & stat.S_ISVTX)


def _who(mode: int) -> str:
    return "everybody" if mode & stat.S_IWOTH else "a group"
