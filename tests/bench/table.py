"""The table that the benchmarks print: Markdown, a line as soon as it is known."""

from __future__ import annotations


def head() -> None:
    print("| what | imgpipe | peer | ratio |\n|---|---|---|---|", flush=True)


def row(what: str, ours: str, peer: str = "", ratio: str = "") -> None:
    print(f"| {what} | {ours} | {peer} | {ratio} |", flush=True)
