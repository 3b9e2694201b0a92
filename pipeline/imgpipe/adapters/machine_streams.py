"""What a machine says on a virtio-serial port or its console, read through libvirt: also of a remote host."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import libvirt

from imgpipe.adapters.libvirt_errors import host_error
from imgpipe.adapters.records import Recorded, Recorder, Stream
from imgpipe.errors import HostError

_CHUNK = 65_536
_MOST_AT_ONCE = 1_048_576
_MOST_PIECES = 256


class MachineStream:
    """A port or console that is open; read without waiting, a bounded amount at a time."""

    def __init__(self, stream: libvirt.virStream) -> None:
        self._stream = stream
        self.ended = False

    def read(self) -> bytes:
        """Return what has come in since the last time, up to 1 MiB; `ended` is set when nothing more will come."""
        parts: list[bytes] = []
        length = 0
        # A guest chooses how small its pieces are, so their number is bounded too.
        while not self.ended and length < _MOST_AT_ONCE and len(parts) < _MOST_PIECES:
            try:
                part = self._stream.recv(_CHUNK)
            except libvirt.libvirtError:
                # The machine or the connection is gone; whoever asks for the machine's state hears why.
                self.ended = True
                break
            # -2: nothing there now (virStreamRecv).
            if isinstance(part, int):
                break
            self.ended = not part
            parts.append(part)
            length += len(part)
        return b"".join(parts)

    def close(self) -> None:
        """Stop listening; the machine goes on."""
        try:
            self._stream.abort()
        except libvirt.libvirtError:
            self.ended = True


def open_port(domain: libvirt.virDomain, name: str, uri: str) -> MachineStream:
    """Open the virtio-serial port `name`, away from whoever had it open; raises HostError."""
    stream = domain.connect().newStream(libvirt.VIR_STREAM_NONBLOCK)
    try:
        domain.openChannel(name, stream, libvirt.VIR_DOMAIN_CHANNEL_FORCE)
    except libvirt.libvirtError as error:
        raise host_error(error, uri, f"open the port '{name}' of '{domain.name()}'") from error
    return MachineStream(stream)


def open_console(domain: libvirt.virDomain) -> MachineStream | None:
    """Open the serial console; None where there is none or somebody else has it open."""
    stream = domain.connect().newStream(libvirt.VIR_STREAM_NONBLOCK)
    try:
        domain.openConsole(None, stream, 0)
    except libvirt.libvirtError:
        return None
    return MachineStream(stream)


class _Ended:
    """A stream that could not be opened now."""

    ended = True

    def read(self) -> bytes:
        """Return nothing."""
        return b""

    def close(self) -> None:
        """Close nothing."""


def recorders(domain: libvirt.virDomain, recorded: Recorded, uri: str) -> tuple[Recorder, ...]:
    """Open what is to be recorded of a machine that is paused still; raises HostError."""
    openers: list[tuple[Callable[[], MachineStream | None], Path]] = []
    if recorded.console:
        openers.append((partial(open_console, domain), recorded.console))
    openers += [(partial(_port, domain, name, uri), path) for name, path in recorded.ports.items()]
    made = []
    for opened, path in openers:
        stream = opened()
        if stream is None:
            raise HostError(f"libvirt could not open what '{path.name}' of '{domain.name()}' is recorded from.")
        made.append(Recorder(stream, partial(_again, domain, opened), path))
    return tuple(made)


def _port(domain: libvirt.virDomain, name: str, uri: str) -> MachineStream | None:
    try:
        return open_port(domain, name, uri)
    except HostError:
        return None


def _again(domain: libvirt.virDomain, opened: Callable[[], MachineStream | None]) -> Stream | None:
    try:
        if not domain.isActive():
            return None
    except libvirt.libvirtError:
        # The machine or the daemon is gone: machines of ours end with their connection.
        return None
    return opened() or _Ended()
