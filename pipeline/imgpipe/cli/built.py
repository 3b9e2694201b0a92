"""What a build or an import says at its end."""

from __future__ import annotations

import json

from imgpipe.artifacts import GoldenImage
from imgpipe.cli.output import show_line, tell


def show_image(image: GoldenImage, what: str, *, as_json: bool) -> None:
    """Print the image's path on stdout, or a last event as JSON; say on stderr what to do next."""
    told = {"name": image.name, "version": image.version, "path": str(image.path), "manifest": str(image.manifest)}
    if as_json:
        show_line(json.dumps({"event": "image", "state": what, **told}))
        return
    tell(f"{image.name}@{image.version} is {what}; 'imgpipe images show {image.name}' tells what is in it.")
    show_line(str(image.path))
