"""`python -m tests.bench [start] [build] [deploy] [machines]`: prints a Markdown table; needs an idle machine."""

from __future__ import annotations

import sys

from tests.bench import build, deploy, machines, start
from tests.bench.table import head

BENCHMARKS = {"start": start.run, "build": build.run, "deploy": deploy.run, "machines": machines.run}


def main() -> None:
    wanted = sys.argv[1:] or list(BENCHMARKS)
    if unknown := set(wanted) - set(BENCHMARKS):
        sys.exit(f"no such benchmark: {', '.join(sorted(unknown))}; there are: {', '.join(BENCHMARKS)}")
    head()
    for name in wanted:
        BENCHMARKS[name]()


if __name__ == "__main__":
    main()
