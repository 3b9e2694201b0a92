"""The sockets of connections to libvirt, which are ended for all threads when one learns that nobody answers.

libvirt's keep-alive ends the call of one thread only; others that wait on the same connection wait for ever (seen in
9.0). Once the socket is shut down, each of them is told.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_Socket = tuple[int, int]
"""A file descriptor, and the inode that tells whether it still is the same socket."""

_known: dict[str, set[_Socket]] = {}


@contextmanager
def noted(uri: str) -> Iterator[None]:
    """Remember the sockets that the block opens as those of connections to `uri`."""
    before = _sockets()
    yield
    _known.setdefault(uri, set()).update(_sockets() - before)


def sever(uri: str) -> None:
    """Shut down all connections to `uri`: whoever waits for an answer, in whatever thread, is told that none comes."""
    for descriptor, inode in _known.pop(uri, set()):
        # What libvirt closed meanwhile may be somebody else's file by now.
        with suppress(OSError):
            own = os.dup(descriptor)
            if os.fstat(own).st_ino != inode:
                os.close(own)
                continue
            with socket.socket(fileno=own) as connection:
                connection.shutdown(socket.SHUT_RDWR)


def _sockets() -> set[_Socket]:
    found = set()
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 (numbers are all that is asked for)
        with suppress(OSError):
            status = os.fstat(int(name))
            if stat.S_ISSOCK(status.st_mode):
                found.add((int(name), status.st_ino))
    return found
