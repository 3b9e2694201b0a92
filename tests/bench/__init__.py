"""Benchmarks: ratios against a peer in the same run, since machines differ and are noisy."""

import sys
from pathlib import Path

BIN = Path(sys.executable).parent / "imgpipe"
