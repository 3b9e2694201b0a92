"""How long each stage took last time: the estimates that a person is shown."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imgpipe.errors import HostError
from imgpipe.json_text import parse_json
from imgpipe.own_files import read_own, write_new
from imgpipe.store import Store, finished_file, lock

_LONGEST = 10**9


@dataclass(frozen=True, slots=True)
class Timings:
    """The seconds of earlier stages under one subject, such as 'rocky9/kvm'; a lost file costs only estimates."""

    path: Path
    subject: str

    def estimate(self, stage: str) -> float | None:
        """Return how long `stage` took last time, in seconds, if it is known."""
        seconds = self._read().get(self.subject, {}).get(stage)
        return float(seconds) if isinstance(seconds, int | float) and 0 <= seconds < _LONGEST else None

    def remember(self, stage: str, seconds: float) -> None:
        """Keep how long `stage` took, where that is possible."""
        with suppress(HostError, OSError):
            self._remember(stage, seconds)

    def _remember(self, stage: str, seconds: float) -> None:
        # All builds of a data root keep theirs in the one file.
        with lock(Store(self.path.parent).lock_file(self.path.stem)):
            known = self._read()
            known.setdefault(self.subject, {})[stage] = round(seconds, 1)
            with finished_file(self.path) as partial:
                write_new(partial, json.dumps(known, indent=1, sort_keys=True))

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            known = parse_json(read_own(self.path))
        except (OSError, ValueError):
            return {}
        if not isinstance(known, dict):
            return {}
        return {subject: stages for subject, stages in known.items() if isinstance(stages, dict)}
