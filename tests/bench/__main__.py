"""`python -m tests.bench [start] [build]`: prints a table in Markdown; needs an otherwise idle machine."""

from __future__ import annotations

import sys

from tests.bench import build, start
from tests.bench.table import HEAD

BENCHMARKS = {"start": start.run, "build": build.run}


def main() -> None:
    wanted = sys.argv[1:] or list(BENCHMARKS)
    if unknown := set(wanted) - set(BENCHMARKS):
        sys.exit(f"no such benchmark: {', '.join(sorted(unknown))}; there are: {', '.join(BENCHMARKS)}")
    print(HEAD)
    for name in wanted:
        BENCHMARKS[name]()


if __name__ == "__main__":
    main()
