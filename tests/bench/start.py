"""The time to say something at all."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from tests.bench import BIN
from tests.bench.table import row

RUNS = 7


def run() -> None:
    bare = _median([sys.executable, "-c", "pass"])
    for arguments in (["--help"], ["plan", "rocky9-4c2g15g"], ["plan", "ubuntu24.04"]):
        taken = _median([str(BIN), *arguments])
        peer = f"{bare:.2f} s (python -c pass)"
        row(f"`imgpipe {' '.join(arguments)}`", f"{taken:.2f} s", peer, f"{taken / bare:.1f}")


def _median(argv: list[str]) -> float:
    times = []
    for _ in range(RUNS):
        begun = time.monotonic()
        subprocess.run(argv, check=True, capture_output=True)
        times.append(time.monotonic() - begun)
    return statistics.median(times)
