"""`imgpipe doctor --bundle`: one file to send to those who are to help."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from imgpipe.cli import context, output
from imgpipe.home import in_home, login_name
from imgpipe.sizes import show_bytes

if TYPE_CHECKING:
    from imgpipe.cli.doctor import DoctorOptions
    from imgpipe.host.bundle.collecting import Collected

_MANIFEST = "MANIFEST.txt"
_DEEP_SECONDS = 1800
_SECONDS = 180


def write_bundle(name: str, findings: Callable[[], object], options: DoctorOptions) -> None:
    """Collect what is known of this host into a new file, `name` or one called after the time; say what is in it.

    Raises RecipeError where the file is there already or cannot be called so, HostError where it cannot be written.
    """
    from imgpipe.cli.readiness import this_host
    from imgpipe.host.bundle import archive
    from imgpipe.host.bundle.collecting import collect, manifest
    from imgpipe.host.bundle.contents import Sources, items

    now = datetime.now(UTC)
    path = in_home(name) if name else Path(f"imgpipe-doctor-{now:%Y%m%d-%H%M%S}{archive.ENDING}")
    archive.require_free(path)
    patience = _DEEP_SECONDS if options.deep else _SECONDS
    sources = Sources(host=this_host, settings=context.settings, findings=findings, patience_s=patience)
    found = collect(items(sources), _people())
    files = {_MANIFEST: manifest(found, f"{now:%Y-%m-%d %H:%M:%S}")}
    files |= {one.name: one.text for one in found if not one.missing}
    size = archive.write(path, files, int(time.time()))
    _show(path, found, size, as_json=options.as_json)


def _people() -> Iterator[str]:
    """Yield the names of the users whom this run is of; root's tells nothing."""
    for name in {login_name(), os.environ.get("SUDO_USER", ""), os.environ.get("LOGNAME", "")}:
        if name not in {"", "root"}:
            yield name


def _show(path: Path, found: tuple[Collected, ...], size: int, *, as_json: bool) -> None:
    if as_json:
        files = [
            {
                "name": one.name,
                "about": one.about,
                "bytes": len(one.text.encode()),
                "missing": one.missing,
                "cut": one.cut,
            }
            for one in found
        ]
        output.show_json({"bundle": str(path), "bytes": size, "files": files})
        return
    output.show_line(str(path))
    output.tell(f"{show_bytes(size)}, for you alone to read until you send it. It holds:")
    for one in found:
        output.tell(f"{one.name}: {f'NOT COLLECTED: {one.missing}' if one.missing else one.about}")
    output.tell(
        "Secrets, addresses and names of users were left out as far as they were recognised. Look before you send:"
    )
    output.tell(f"$ tar -xzOf {quote(str(path))} | less")
