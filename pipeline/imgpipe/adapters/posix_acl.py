"""POSIX access control lists (acl(5)), as the kernel keeps them beside a file's mode."""

from __future__ import annotations

import os
import struct
from collections.abc import Collection
from pathlib import Path

# include/uapi/linux/posix_acl_xattr.h: a header with version 2, then tag, permissions and id of each entry.
_ATTRIBUTE = "system.posix_acl_access"
_HEADER = struct.Struct("<I")
_ENTRY = struct.Struct("<HHI")
_USER_OBJ, _USER, _GROUP_OBJ, _GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_EXECUTE = 1


def may_enter(folder: Path, uid: int, groups: Collection[int]) -> bool:
    """Say whether a user who is not root may pass through `folder`; raises OSError if that cannot be looked at."""
    status = folder.stat()
    entries = _entries(folder)
    if not entries:
        bit = _EXECUTE
        if status.st_uid == uid:
            bit <<= 6
        elif status.st_gid in groups:
            bit <<= 3
        return bool(status.st_mode & bit)
    by_tag = {tag: permissions for tag, permissions, _ in entries}
    mask = by_tag.get(_MASK, 7)
    if status.st_uid == uid:
        return bool(by_tag.get(_USER_OBJ, 0) & _EXECUTE)
    for tag, permissions, owner in entries:
        if tag == _USER and owner == uid:
            return bool(permissions & mask & _EXECUTE)
    mine = [
        permissions
        for tag, permissions, owner in entries
        if (tag == _GROUP_OBJ and status.st_gid in groups) or (tag == _GROUP and owner in groups)
    ]
    if mine:
        return any(permissions & mask & _EXECUTE for permissions in mine)
    return bool(by_tag.get(_OTHER, 0) & _EXECUTE)


def _entries(folder: Path) -> list[tuple[int, int, int]]:
    try:
        raw = os.getxattr(folder, _ATTRIBUTE)
    except OSError:
        return []
    return [
        (int(tag), int(permissions), int(owner)) for tag, permissions, owner in _ENTRY.iter_unpack(raw[_HEADER.size :])
    ]
