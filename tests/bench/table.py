"""The table that every benchmark prints: what, imgpipe's figure, the peer's, and their ratio."""

HEAD = "| what | imgpipe | peer | ratio |\n|---|---|---|---|"


def row(what: str, ours: str, peer: str = "", ratio: str = "") -> None:
    print(f"| {what} | {ours} | {peer} | {ratio} |", flush=True)
