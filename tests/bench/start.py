"""The time to say something at all, and to complete a word."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from types import MappingProxyType

from tests.bench import BIN
from tests.bench.table import row

RUNS = 7


def run() -> None:
    bare = _median([sys.executable, "-c", "pass"])
    for arguments in (["--help"], ["plan", "rocky9-4c2g15g"], ["plan", "ubuntu24.04"]):
        taken = _median([str(BIN), *arguments])
        peer = f"{bare:.2f} s (python -c pass)"
        row(f"`imgpipe {' '.join(arguments)}`", f"{taken:.2f} s", peer, f"{taken / bare:.1f}")
    for line in ("build r", "images show d", "clone "):
        # As bash asks; libvirt's test driver answers at once, so that what is measured is imgpipe's own.
        words = f"imgpipe {line}".split(" ")
        asked = {"_IMGPIPE_COMPLETE": "complete_bash", "COMP_WORDS": "\n".join(words)}
        asked |= {"COMP_CWORD": str(len(words) - 1), "LIBVIRT_DEFAULT_URI": "test:///default"}
        taken = _median([str(BIN)], asked)
        row(f"`imgpipe {line}` and Tab", f"{taken:.2f} s", f"{bare:.2f} s (python -c pass)", f"{taken / bare:.1f}")


def _median(argv: list[str], more: Mapping[str, str] = MappingProxyType({})) -> float:
    times = []
    for _ in range(RUNS):
        begun = time.monotonic()
        subprocess.run(argv, check=True, capture_output=True, env={**os.environ, **more})
        times.append(time.monotonic() - begun)
    return statistics.median(times)
