"""The command line as a user starts it, for the tests that build images: its events, its end, its data root."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from imgpipe.settings import checkout

DATA = Path(os.environ.get("IMGPIPE_TEST_DATA", checkout() / "output" / "tests"))
"""The data root of most builds of a run: made media and the probed accelerator stay in it between runs."""

# Bounds every wait; a build under emulation on a loaded machine stays far below it.
_LONGEST_S = 7200


IMGPIPE = str(Path(sys.executable).parent / "imgpipe")


class Told:
    """What `imgpipe ... --json` wrote: `lines` of stdout, and those of them that are `events`."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.events: list[dict[str, Any]] = []

    def hear(self, line: str) -> None:
        self.lines.append(line)
        # Events are a line each; other commands print other things.
        if line.startswith('{"'):
            self.events.append(json.loads(line))

    def named(self, event: str, **values: str) -> list[dict[str, Any]]:
        wanted = {"event": event, **values}
        return [told for told in list(self.events) if wanted.items() <= told.items()]

    @property
    def image(self) -> dict[str, Any]:
        (told,) = self.named("image")
        return told

    def reused(self) -> list[str]:
        return [told["stage"] for told in self.named("stage_finished") if told["reused"]]


class Command(Told):
    """A running `imgpipe ... --json`: what it tells grows while it runs.

    `within` is a program that runs it, with its arguments.
    """

    def __init__(
        self, data: Path, *arguments: str, env: dict[str, str] | None = None, within: tuple[str, ...] = ()
    ) -> None:
        super().__init__()
        self._noise: list[str] = []
        self.process = subprocess.Popen(
            [*within, IMGPIPE, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "IMGPIPE_HOME": str(data), **(env or {})},
            cwd=checkout(),
        )
        self._readers = [
            threading.Thread(target=self._read_events, daemon=True),
            threading.Thread(target=self._read_noise, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def _read_events(self) -> None:
        with self.process.stdout as stdout:
            for line in stdout:
                self.hear(line)

    def _read_noise(self) -> None:
        with self.process.stderr as stderr:
            self._noise.extend(stderr)

    @property
    def stderr(self) -> str:
        return "".join(self._noise)

    def wait(self) -> int:
        code = self.process.wait(timeout=_LONGEST_S)
        for reader in self._readers:
            reader.join(30)
        return code

    def succeed(self) -> Command:
        assert self.wait() == 0, self.stderr
        return self

    def until(self, event: str, **values: str) -> None:
        """Wait for an event with these values; the command must not end before."""
        end = time.monotonic() + _LONGEST_S
        while not self.named(event, **values):
            assert time.monotonic() < end
            assert self.process.poll() is None, f"ended before {event} {values}: {self.stderr}"
            time.sleep(0.1)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=60)

    def end(self) -> None:
        """End it as Ctrl-C would, if it still runs."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(timeout=120)


def command_lines() -> Iterator[tuple[int, list[str]]]:
    """Yield the process ids and the command lines, in words, of all processes that are there."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = os.fsdecode((folder / "cmdline").read_bytes()).split("\0")
        except OSError:
            continue
        yield int(folder.name), words


def machines_of(data: Path) -> list[str]:
    """Return the command lines of QEMU processes that use files below `data`."""
    return [
        " ".join(words)
        for _, words in command_lines()
        if "qemu" in words[0] and any(f"{data}/" in word for word in words)
    ]


def wait_until_gone(data: Path, seconds: float = 30) -> None:
    """Wait until no machine uses files below `data`; fail if one stays."""
    end = time.monotonic() + seconds
    while machines_of(data) and time.monotonic() < end:
        time.sleep(0.2)
    assert machines_of(data) == []
