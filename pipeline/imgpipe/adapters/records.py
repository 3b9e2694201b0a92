"""What a machine says on its console and its ports, kept in files of ours while it runs.

Neither QEMU nor libvirt's log daemon opens these files: on hosts that enforce SELinux the latter may write in its own
folders alone, and on remote hosts our files are not. The text comes through libvirt instead, from a pty and from unix
sockets. A serial port drops what nobody reads, so that a machine is started paused and resumed once it is listened to;
a virtio-serial port makes its guest wait.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from io import BufferedWriter
from pathlib import Path
from typing import Protocol

from imgpipe.own_files import open_for_writing

_log = logging.getLogger(__name__)

# A file that grew past this is put aside as NAME.0, in place of the one before: a guest may talk without end.
_LONGEST = 8 * 2**20
_POLL_SECONDS = 0.05
_AGAIN_SECONDS = 0.5
# What is left of a machine that ended comes within moments; a daemon that hangs is not waited for.
_PATIENCE_SECONDS = 10.0
MARK = b"\n[imgpipe: the connection was lost for a while, and what was said meanwhile may be missing here]\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """Which files a machine's console and its virtio-serial ports, by name, are kept in."""

    console: Path | None = None
    ports: Mapping[str, Path] = field(default_factory=dict)


NOTHING_RECORDED = Recorded()


class Stream(Protocol):
    """A port or console that is open; `ended` once nothing more will come."""

    ended: bool

    def read(self) -> bytes:
        """Return what is there now, without waiting."""

    def close(self) -> None:
        """Stop listening."""


Again = Callable[[], Stream | None]
"""Opens a console or port anew; a stream that has ended where it cannot now, None once the machine is over."""


class Recorder:
    """Keeps what comes out of one console or port in a file, in a thread of its own, until the machine is over."""

    def __init__(self, stream: Stream, again: Again, path: Path) -> None:
        self._stream: Stream | None = stream
        self._again = again
        self._path = path
        self._stop = threading.Event()
        self._file = _appending(path)
        self._thread = threading.Thread(target=self._record, name=f"record-{path.name}", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def finish(self) -> None:
        """Wait until all that a machine which is over said is in the file; let go of one that hangs."""
        if self._thread.is_alive():
            self._thread.join(_PATIENCE_SECONDS)
        self.let_go()

    def let_go(self) -> None:
        """Take what is there now, and stop listening: libvirt must not lose a stream and its machine at one moment."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_PATIENCE_SECONDS)

    def _record(self) -> None:
        try:
            for part in self._parts():
                self._keep(part)
            if self._stream and not self._stream.ended:
                self._keep(self._stream.read())
        except OSError as error:
            # A full disk ends the record and not the machine: whoever reads the file sees a silent one.
            _log.warning("the record '%s' ends early: %s", self._path, error)
        finally:
            self._file.close()
            if self._stream:
                self._stream.close()

    def _keep(self, part: bytes) -> None:
        self._file = _rolled(self._file, self._path)
        self._file.write(part)
        self._file.flush()

    def _parts(self) -> Iterator[bytes]:
        while self._stream and not self._stop.is_set():
            if part := self._stream.read():
                yield part
            elif not self._stream.ended:
                self._stop.wait(_POLL_SECONDS)
            elif self._listen_again():
                yield MARK

    def _listen_again(self) -> bool:
        """Open the stream anew, where the machine goes on: somebody forced us off it, or the connection broke."""
        while not self._stop.wait(_AGAIN_SECONDS):
            self._stream = self._again()
            if self._stream is None or not self._stream.ended:
                return self._stream is not None
        return False


def _appending(path: Path) -> BufferedWriter:
    return open_for_writing(path, append=True, mode=0o600)


def _rolled(file: BufferedWriter, path: Path) -> BufferedWriter:
    if file.tell() < _LONGEST:
        return file
    file.close()
    path.replace(path.with_name(f"{path.name}.0"))
    return _appending(path)
