"""What the installer says: on its console, in its log, and on the host's virtio port."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import BinaryIO

LOG = Path("/tmp/anaconda.log")  # noqa: S108 (Anaconda's place; the installer is alone on its machine)
_PORT = "org.fedoraproject.anaconda.log.0"
_PORTS = Path("/sys/class/virtio-ports")


class Console:
    """Says things to the person at the console and to the log's readers."""

    def __init__(self) -> None:
        self._port = _open_port()

    def say(self, text: str = "") -> None:
        """Print lines on the console and log them."""
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
        for line in text.splitlines():
            if line.strip():
                self.log(line)

    def ask(self, text: str) -> None:
        """Print a prompt and wait for ENTER, for ever if nobody is there."""
        sys.stdout.write(text)
        sys.stdout.flush()
        self.log(text.strip())
        while sys.stdin.readline() == "":
            time.sleep(3600)

    def log(self, text: str, *, level: str = "INFO") -> None:
        """Log a line, in the installer's file and in the form of syslog on the virtio port."""
        stamp = time.strftime("%H:%M:%S")
        with LOG.open("a") as file:
            file.write(f"{stamp},000 {level} anaconda: {text}\n")
        if self._port is not None:
            day = time.strftime("%b %e %H:%M:%S")
            priority = 11 if level == "ERR" else 14
            self._port.write(f"<{priority}>{day} imgpipe-standin anaconda: {level}: {text}\n".encode())


def _open_port() -> BinaryIO | None:
    for path in _PORTS.glob("*/name"):
        if path.read_text().strip() == _PORT:
            # Unbuffered, and without waiting: nobody may be reading on the host.
            return Path("/dev", path.parent.name).open("wb", buffering=0)
    return None
