"""What a fleet was deployed from: kept in the data root at each deploy, so that one machine can be changed alone."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from imgpipe.deploy.fleet import Fleet
from imgpipe.deploy.fleet_files import fleet_of_table, read_fleet
from imgpipe.errors import RecipeError
from imgpipe.own_files import own_folder, read_own, write_new
from imgpipe.store import Store, finished_file, lock

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What a fleet was last deployed from: its file, or else the table that the options made.

    No secret is in it, only where secrets are. `disk_format` and `trusted` are what was said about a foreign disk.
    """

    file: Path | None = None
    table: Mapping[str, Any] = field(default_factory=dict)
    disk_format: Literal["qcow2", "raw"] | None = None
    trusted: tuple[Path, ...] = ()

    def fleet(self) -> Fleet:
        """Return the fleet as it is described now; raises RecipeError where its file is gone or wrong."""
        if self.file is not None:
            return read_fleet(self.file)
        return fleet_of_table(dict(self.table), Path("/"))


def remember(store: Store, name: str, described: Description) -> None:
    """Keep what a fleet is deployed from."""
    told = {
        "file": str(described.file) if described.file else None,
        "table": dict(described.table),
        "format": described.disk_format,
        "trusted": [str(folder) for folder in described.trusted],
    }
    own_folder(store.root, "fleets", 0o700)
    with lock(store.lock_file(f"description-{name}")), finished_file(_file(store, name)) as partial:
        write_new(partial, json.dumps(told, indent=1) + "\n", 0o600)


def recall(store: Store, name: str) -> Description | None:
    """Return what a fleet was last deployed from; None where this data root does not know."""
    try:
        told = json.loads(read_own(_file(store, name)))
        return Description(
            file=Path(told["file"]) if told["file"] else None,
            table=dict(told["table"]),
            disk_format=told["format"] if told["format"] in ("qcow2", "raw") else None,
            trusted=tuple(map(Path, told["trusted"])),
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        # It says nothing that '--fleet-file' could not say.
        return None


def required(store: Store, name: str) -> Description:
    """Return what a fleet was last deployed from; raises RecipeError where this data root does not know."""
    if found := recall(store, name):
        return found
    raise RecipeError(
        f"What the fleet '{name}' was deployed from is not known here.",
        hint="Name its file with '--fleet-file', or deploy it from here once more, which keeps what is there.",
    )


def _file(store: Store, name: str) -> Path:
    """Return where a fleet is kept; a name may be that of a machine's metadata, where anything may stand."""
    if not _NAME.fullmatch(name):
        name = f"={hashlib.sha256(name.encode(errors='replace')).hexdigest()}"
    return store.root / "fleets" / f"{name}.json"
