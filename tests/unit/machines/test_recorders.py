"""What is kept of a machine that somebody stops listening to."""

import threading
from pathlib import Path

from imgpipe.adapters.records import Recorder


class FakeStream:
    """A stream that says its parts, one a read, and notes when it was closed."""

    def __init__(self, *parts: bytes) -> None:
        self.ended = False
        self.closed = threading.Event()
        self.parts = list(parts)
        self.silent = threading.Event()

    def read(self) -> bytes:
        if self.parts:
            return self.parts.pop(0)
        self.silent.set()
        return b""

    def close(self) -> None:
        self.closed.set()


def test_who_lets_go_keeps_what_was_there_and_has_closed_the_stream(tmp_path: Path) -> None:
    stream = FakeStream(b"first")
    recorder = Recorder(stream, lambda: None, tmp_path / "log")
    recorder.start()
    assert stream.silent.wait(30)
    # It comes while nobody looks, and before it is let go.
    stream.parts.append(b", last")
    recorder.let_go()
    assert stream.closed.is_set()
    assert (tmp_path / "log").read_bytes() == b"first, last"
